/**
 * Ids that the two backends gave to one thing. A creation teaches a pair: what the primary called it, and what the
 * secondary did. Later copies carry the secondary's id where the request has the primary's. Pure.
 *
 * A pair belongs to a collection, the path of the creation ("/users"): 17 of the users is not 17 of the books. Paths are
 * those of the primary throughout, so that "/users/17/posts" is one collection whatever the secondary calls its user.
 */
import { readJsonText, scalarOf, type Pointer } from "@sticky-proxy/protocol/json";
import { headerValue, type HeaderList, type RequestHead } from "../http/message.ts";
import { idText } from "../process/answer.ts";
import type { IdMapPolicy, MirrorPolicy } from "../registry/service.ts";
import { pathParameters } from "./order-key.ts";

export interface IdPlace {
  readonly collection: string;
  /** The primary's. */
  readonly id: string;
}

export interface IdPair extends IdPlace {
  readonly secondary: string;
}

/** The port to the pairs of each primary service. They are kept until they are removed. */
export interface IdMap {
  /** The secondary's ids, in order; null: not known. @throws StoreUnavailable */
  lookUp(service: string, places: readonly IdPlace[]): Promise<readonly (string | null)[]>;
  /** A later pair of one place takes the earlier one's. @throws StoreUnavailable */
  learn(service: string, pairs: readonly IdPair[]): Promise<void>;
  /** All pairs, in no order. @throws StoreUnavailable */
  pairs(service: string): AsyncIterable<IdPair>;
}

interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  /** null: not kept. */
  readonly body: Uint8Array | null;
}

/** Where an answer to a creation tells the id by default. */
const usualId: Pointer = ["id"];

/** null: no creation, or one of the answers tells no id. `policy` null: the member `id`, else the end of Location. */
export function learntPair(
  { method, path }: Pick<RequestHead, "method" | "path">,
  policy: IdMapPolicy | null,
  primary: Answer,
  secondary: Answer,
): IdPair | null {
  if (method !== "POST" || !isSuccess(primary.status) || !isSuccess(secondary.status)) return null;
  const from = policy?.from ?? usualId;
  const [id, other] = [createdId(from, path, primary), createdId(from, path, secondary)];
  return id === null || other === null ? null : { collection: collectionOf(path), id, secondary: other };
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function createdId(from: Pointer, path: string, { headers, body }: Answer): string | null {
  const told = body === null ? null : idText(readJsonText(body)?.at(from));
  return told ?? idOfLocation(headerValue(headers, "location"), path);
}

/** The last segment of a Location below the collection; anywhere else it leads to something else than what was made. */
function idOfLocation(location: string | null, path: string): string | null {
  if (location === null || !URL.canParse(location, "http://x/")) return null;
  const { pathname } = new URL(location, `http://x${path}`);
  const above = `${collectionOf(path)}/`;
  const at = pathname.lastIndexOf(above);
  const id = at < 0 ? "" : pathname.slice(at + above.length).replace(/\/$/, "");
  return id === "" || id.includes("/") ? null : id;
}

function collectionOf(path: string): string {
  return path.replace(/\/$/, "");
}

/** The segments of a path that may be ids: each but the first, in the collection of what stands before it. */
export function pathPlaces(path: string): readonly IdPlace[] {
  const segments = path.split("/");
  return segments.slice(2).map((id, i) => ({ collection: segments.slice(0, i + 2).join("/"), id }));
}

export interface NeededIds {
  /** Of the path, in the order of {@link pathPlaces}. */
  readonly path: readonly IdPlace[];
  /** Which of them the policy demands: they must not be sent as they are. */
  readonly required: ReadonlySet<number>;
  readonly body: readonly { readonly pointer: Pointer; readonly place: IdPlace }[];
}

/** What has to be looked up before the request may be copied. @param base path of the route */
export function neededIds(
  { path }: Pick<RequestHead, "path">,
  body: Uint8Array,
  { idMap, orderKey }: Pick<MirrorPolicy, "idMap" | "orderKey">,
  base: string,
): NeededIds {
  const places = pathPlaces(path);
  if (idMap === null) return { path: places, required: new Set(), body: [] };
  const template = orderKey !== null && "path" in orderKey ? orderKey.path : null;
  const required = new Set<number>();
  const found: { pointer: Pointer; place: IdPlace }[] = [];
  for (const into of idMap.into) {
    if ("parameter" in into) {
      const at = segmentOf(into.parameter, template, path, base, idMap.collection);
      if (at !== null && at < places.length) required.add(at);
      continue;
    }
    const source = body.length === 0 ? undefined : readJsonText(body)?.at(into.pointer);
    const id = scalarOf(source) === null ? null : idText(source);
    if (id !== null)
      found.push({ pointer: into.pointer, place: { collection: usualCollection(idMap, path, base), id } });
  }
  return { path: places, required, body: found };
}

/** Position of a path's parameter among {@link pathPlaces}; null: the path has none. */
function segmentOf(
  name: string,
  template: string | null,
  path: string,
  base: string,
  collection: string | null,
): number | null {
  if (template !== null && template.includes(`{${name}}`) && pathParameters(template, path) !== null)
    return template.split("/").indexOf(`{${name}}`) - 2;
  const above = collection ?? (base === "/" ? null : base);
  return above === null ? 0 : collectionOf(above).split("/").length - 2;
}

function usualCollection({ collection }: IdMapPolicy, path: string, base: string): string {
  return collectionOf(collection ?? (base === "/" ? `/${path.split("/")[1] ?? ""}` : base));
}

/** The path with the secondary's ids in place of those that are known. @param ids in the order of {@link pathPlaces} */
export function mappedPath(path: string, ids: readonly (string | null)[]): string {
  const segments = path.split("/");
  return segments.map((segment, i) => (i < 2 ? segment : (ids[i - 2] ?? segment))).join("/");
}

/** The body with another id at the pointer, as a number where a number stands there. Every other octet stays. */
export function mappedBody(body: Uint8Array, pointer: Pointer, id: string): Uint8Array {
  const json = readJsonText(body);
  const source = json?.at(pointer);
  if (json === null || source === undefined) return body;
  const written = source.startsWith('"') || !/^-?\d+$/.test(id) ? JSON.stringify(id) : id;
  return Buffer.from(json.with(pointer, written));
}
