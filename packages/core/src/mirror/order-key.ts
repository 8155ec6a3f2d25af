/**
 * The order key (R6): executions with the same key reach the secondary one at a time, in the order of the
 * dispatches that counted. Keys are kept as keyed digests only: a path or a header value may name a person.
 *
 * Where the path makes the key, an execution also comes after earlier ones of the paths above its own: `POST /users`
 * creates what `PUT /users/2` changes, and the two have different keys.
 */
import { type Pointer, pointerValue } from "@sticky-proxy/protocol/json";
import { createHmac, type KeyObject } from "node:crypto";
import { type RequestHead, headerJoined } from "../http/message.ts";
import type { MirrorPolicy } from "../registry/service.ts";
import { type JsonValue, decimalKey, JsonArray, JsonObject } from "./json-walk.ts";

/** What the key is made of; a request that lacks it falls back to principal + path, which is always there. */
export interface OrderKeySource {
  /** Digest of the principal that an authentication has proved; "" for everybody else. */
  readonly principal: string;
  readonly service: string;
  readonly head: RequestHead;
  readonly body: Uint8Array;
}

export interface OrderKeys {
  readonly orderKey: string;
  /** Keys of the paths above, nearest first. */
  readonly after: readonly string[];
}

/** The installation's, equal on all replicas; a KeyObject is the fastest. */
export type OrderSecret = string | Uint8Array | KeyObject;

/** Paths above that are looked at. */
const maxAbove = 8;

export function orderKeys(
  source: OrderKeySource,
  rule: MirrorPolicy["orderKey"],
  secret: OrderSecret,
): OrderKeys {
  const own = chosenPart(source, rule);
  const orderKey = digest(source, own, secret);
  if (own.kind === "header" || own.kind === "json") return { orderKey, after: [] };
  const after = pathsAbove(source.head.path).map((path) => digest(source, pathPart(path, rule), secret));
  return { orderKey, after: [...new Set(after)].filter((key) => key !== orderKey) };
}

/** "/users/2/address" → "/users/2", "/users", "/". */
function pathsAbove(path: string): string[] {
  const above: string[] = [];
  for (let at = path.replace(/\/$/, "").lastIndexOf("/"); at >= 0 && above.length < maxAbove;) {
    above.push(path.slice(0, at) || "/");
    at = at === 0 ? -1 : path.lastIndexOf("/", at - 1);
  }
  return above;
}

/**
 * 22 characters of base64url (132 bits). The chosen source enters the digest, so a header value never collides with a
 * path.
 */
function digest(
  { principal, service }: Pick<OrderKeySource, "principal" | "service">,
  { kind, value }: Chosen,
  secret: OrderSecret,
): string {
  const mac = createHmac("sha256", secret);
  for (const part of ["mirror-key", principal, service, kind, value]) {
    mac.update(`${Buffer.byteLength(part)}:`).update(part);
  }
  return mac.digest("base64url").slice(0, 22);
}

/** The outbox partition of a key: the store's partition count is fixed, so this never moves. */
export function orderKeyPartition(keyHash: string, partitions: number): number {
  return Buffer.from(keyHash, "base64url").readUInt32BE(0) % partitions;
}

interface Chosen {
  readonly kind: "header" | "json" | "path-parameters" | "path";
  readonly value: string;
}

function chosenPart({ head, body }: OrderKeySource, rule: MirrorPolicy["orderKey"]): Chosen {
  if (rule !== null && "header" in rule) {
    const value = headerJoined(head.headers, rule.header.toLowerCase());
    if (value !== null) return { kind: "header", value };
  } else if (rule !== null && "json" in rule) {
    const value = scalarAt(body, rule.json);
    if (value !== null) return { kind: "json", value };
  }
  return pathPart(head.path, rule);
}

function pathPart(path: string, rule: MirrorPolicy["orderKey"]): Chosen {
  const value = rule !== null && "path" in rule ? pathParameters(rule.path, path) : null;
  if (value !== null) return { kind: "path-parameters", value };
  // A collection with or without a slash at its end is one.
  return { kind: "path", value: path.replace(/(?<=.)\/$/, "") };
}

/**
 * The parameters of `template` ("/users/{id}") in `path`, as "id=17"; null: the path does not fit.
 * Segments beyond the template are ignored, so "/users/17/address" shares the key of "/users/17".
 */
export function pathParameters(template: string, path: string): string | null {
  // "/" fits every path and has no parameters: one key for all.
  const wanted = template.replace(/\/$/, "").split("/");
  const given = path.split("/");
  if (given.length < wanted.length) return null;
  const found: string[] = [];
  for (const [i, part] of wanted.entries()) {
    const segment = given[i]!;
    if (part.startsWith("{") && part.endsWith("}")) {
      if (segment === "") return null;
      found.push(`${part.slice(1, -1)}=${segment}`);
    } else if (part !== segment) return null;
  }
  return found.join("&");
}

/**
 * The text of the scalar at `pointer`; null: no JSON, no such place, or no scalar there. On the client's path, so the
 * runtime's own parser reads it: numbers beyond a double share a key, which only orders more than it has to.
 */
function scalarAt(body: Uint8Array, pointer: Pointer): string | null {
  let root: unknown;
  try {
    root = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  } catch {
    return null;
  }
  const value = pointerValue(root, pointer);
  if (typeof value === "string") return `s${value}`;
  if (typeof value === "number") return `n${decimalKey(String(value))}`;
  return typeof value === "boolean" ? `b${value}` : null;
}

/** The value that an RFC 6901 pointer names, or undefined. */
export function valueAt(root: JsonValue, pointer: Pointer): JsonValue | undefined {
  let value: JsonValue | undefined = root;
  for (const token of pointer) {
    if (value instanceof JsonObject) value = value.members.get(token);
    else if (value instanceof JsonArray && /^(?:0|[1-9][0-9]{0,8})$/.test(token))
      value = value.items[Number(token)];
    else return undefined;
  }
  return value;
}
