/**
 * Puts the callback address where a service expects it: a query parameter, a JSON body member, or a header.
 * Pure. A JSON member is set in the parsed document, so white space may be written anew; numbers keep their digits,
 * and everything else is sent as it came. A body that cannot take the member was refused before (pointerObstacle).
 */
import type { CallbackPolicy } from "@sticky-proxy/core/registry";
import type { HeaderLine, RequestHead } from "@sticky-proxy/core/http";
import type { StoredRequest } from "@sticky-proxy/core/process";

export interface Injected {
  readonly head: RequestHead;
  readonly body: Uint8Array;
  readonly set: readonly HeaderLine[];
}

/** @param url with the execution token in it; goes where a service cannot read our own header fields */
export function injectCallback(
  inject: CallbackPolicy["inject"],
  request: StoredRequest,
  url: string,
): Injected {
  const bare = url.slice(0, url.indexOf("?"));
  const set: HeaderLine[] = [["Sticky-Callback-Url", bare]];
  let { head, body } = request;
  if (inject.header !== null) set.push([inject.header, url]);
  if (inject.query !== null) {
    const parameter = `${encodeURIComponent(inject.query)}=${encodeURIComponent(url)}`;
    const others = withoutParameter(head.query ?? "", inject.query);
    head = { ...head, query: others === "" ? parameter : `${others}&${parameter}` };
  }
  if (inject.json !== null && inject.json.length > 0) {
    const document = parseObject(body);
    if (document !== null) {
      place(document, inject.json, url);
      body = Buffer.from(JSON.stringify(document));
    }
  }
  return { head, body, set };
}

/**
 * The query without every parameter that some service would read as `name`: escaped, in another case, with blanks
 * before it, as a member of a list (`name[]`), or behind a semicolon. The rest stays byte for byte.
 */
function withoutParameter(query: string, name: string): string {
  return query
    .split("&")
    .flatMap((parameter) => {
      const parts = parameter.split(";");
      const kept = parts.filter((part) => !isNamed(part, name));
      return kept.length === parts.length ? [parameter] : kept.length === 0 ? [] : [kept.join(";")];
    })
    .join("&");
}

function isNamed(parameter: string, name: string): boolean {
  const written = parameter.split("=", 1)[0]!.replaceAll("+", " ");
  // Escapes that are no UTF-8 keep the others from hiding behind them.
  const read = written.replaceAll(/(?:%[0-9a-f]{2})+/gi, (escaped) =>
    Buffer.from(escaped.replaceAll("%", ""), "hex").toString("latin1"),
  );
  return read.trimStart().split("[", 1)[0]!.toLowerCase() === name.toLowerCase();
}

/** ES2025, not yet among the compiler's declarations: a number as its own text, since a double may not hold it. */
const exactJson = JSON as unknown as {
  parse(
    text: string,
    revive: (name: string, member: unknown, context: { readonly source: string }) => unknown,
  ): unknown;
  rawJSON(text: string): object;
  isRawJSON(value: unknown): boolean;
};

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !exactJson.isRawJSON(value);
}

function parseObject(body: Uint8Array): Record<string, unknown> | null {
  try {
    const value = exactJson.parse(Buffer.from(body).toString("utf8"), (_name, member, { source }) =>
      typeof member === "number" ? exactJson.rawJSON(source) : member,
    );
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Makes the objects on the way; never follows or makes an inherited property. */
function place(document: Record<string, unknown>, pointer: readonly string[], value: string): void {
  let at = document;
  for (const token of pointer.slice(0, -1)) {
    const next: unknown = Object.hasOwn(at, token) ? at[token] : undefined;
    if (isObject(next)) {
      at = next;
      continue;
    }
    const made: Record<string, unknown> = {};
    define(at, token, made);
    at = made;
  }
  define(at, pointer.at(-1)!, value);
}

function define(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}
