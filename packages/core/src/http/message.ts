/**
 * Plain HTTP messages, as every decision sees them: values, no streams, no sockets.
 * Header lists keep each line, its order and its spelling, built from Node's rawHeaders;
 * names are never assigned onto a plain object (`__proto__`), values are latin1 text end to end.
 */

export type HeaderLine = readonly [name: string, value: string];
export type HeaderList = readonly HeaderLine[];

/** The head of a request after normalisation: what route, fingerprint, cache key and upstream all see. */
export interface RequestHead {
  /** As received, case kept (RFC 9110 9.1). */
  readonly method: string;
  /** Normalised absolute path, begins with "/" (or is "*" for OPTIONS). */
  readonly path: string;
  /** The raw query without "?"; null when the target has no "?". */
  readonly query: string | null;
  readonly headers: HeaderList;
}

/** A complete response. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: HeaderList;
}

export interface StoredResponse extends ResponseHead {
  readonly body: Uint8Array;
}

/** Name/value pairs from Node's flat rawHeaders array. */
export function headerList(raw: readonly string[]): HeaderList {
  const list: HeaderLine[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) list.push([raw[i]!, raw[i + 1]!]);
  return list;
}

/** The flat array that Node and undici write. */
export function rawHeaders(list: HeaderList): string[] {
  const raw: string[] = [];
  for (const [name, value] of list) raw.push(name, value);
  return raw;
}

/** The first line of that name, or null. `name` is lower-case. */
export function headerValue(list: HeaderList, name: string): string | null {
  for (const [n, value] of list) if (n.length === name.length && n.toLowerCase() === name) return value;
  return null;
}

/** All lines of that name, in order. `name` is lower-case. */
export function headerLines(list: HeaderList, name: string): string[] {
  const values: string[] = [];
  for (const [n, value] of list) if (n.length === name.length && n.toLowerCase() === name) values.push(value);
  return values;
}

/** Whether the client names its request itself, under either name of the field. */
export function givesKey(list: HeaderList): boolean {
  return list.some(([name]) => /^(?:x-)?idempotency-key$/i.test(name));
}

/**
 * The Idempotency-Key line for a service that is to get `key`: nothing to add where the client's own field goes on in the form
 * in which it came, so that the service knows a key again that it was given directly. The alias's form where only that came.
 * @param key null: the request's key decides nothing here
 * @param written what to send where the client gave no key
 */
export function keyLine(list: HeaderList, key: string | null, written: string | null): HeaderLine | null {
  if (headerValue(list, "idempotency-key") !== null) return null;
  const alias = headerValue(list, "x-idempotency-key");
  if (alias !== null) return key === null ? null : ["Idempotency-Key", alias];
  return written === null ? null : ["Idempotency-Key", written];
}

/** All lines of that name joined with ", " (RFC 9110 5.3), or null when there is none. */
export function headerJoined(list: HeaderList, name: string): string | null {
  const values = headerLines(list, name);
  return values.length === 0 ? null : values.join(", ");
}

/** The list without the lines of these lower-case names. */
export function withoutHeaders(list: HeaderList, names: ReadonlySet<string>): HeaderList {
  return list.filter(([name]) => !names.has(name.toLowerCase()));
}
