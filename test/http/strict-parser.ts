/**
 * Reads HTTP/1.1 requests by the letter of RFC 9112, without the liberties a recipient may take but for three of Node's
 * parser: halves of line ends before a request line are skipped (2.2), its parts may be more than one space apart (3),
 * and chunk extensions may be of any form.
 */

export interface ParsedRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  /** Names in lower case. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export interface ParsedStream {
  readonly requests: readonly ParsedRequest[];
  /** Why nothing more was read; null: the bytes ended. */
  readonly error: string | null;
  /** Bytes of a message that is not whole. */
  readonly rest: string;
}

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const requestLine = new RegExp(`^(${token}) +([\\x21-\\x7e]+) +(HTTP/1\\.[01])$`);
const fieldLine = new RegExp(
  `^(${token}):[ \\t]*((?:[\\x21-\\x7e\\x80-\\xff](?:[\\t\\x20-\\x7e\\x80-\\xff]*[\\x21-\\x7e\\x80-\\xff])?)?)[ \\t]*$`,
);
// What stands in an extension is ignored anyway (7.1.1), as long as it ends with the line.
const chunkLine = /^([0-9A-Fa-f]+)(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;

export function parseRequests(bytes: string): ParsedStream {
  const requests: ParsedRequest[] = [];
  let at = 0;
  const stop = (error: string | null): ParsedStream => ({ requests, error, rest: bytes.slice(at) });
  for (;;) {
    while (bytes[at] === "\r" || bytes[at] === "\n") at += 1;
    const end = bytes.indexOf("\r\n\r\n", at);
    if (end === -1) return stop(null);
    const [first = "", ...lines] = bytes.slice(at, end).split("\r\n");
    const line = requestLine.exec(first);
    if (line === null) return stop(`not a request line: ${JSON.stringify(first)}`);
    const [, method = "", target = "", version = ""] = line;
    const fields: [string, string][] = [];
    for (const text of lines) {
      const field = fieldLine.exec(text);
      if (field === null) return stop(`not a field line: ${JSON.stringify(text)}`);
      fields.push([field[1]!.toLowerCase(), field[2]!]);
    }
    const all = (name: string): string[] =>
      fields.filter(([known]) => known === name).map(([, value]) => value);
    const hosts = all("host").length;
    if (hosts > 1 || (hosts === 0 && version === "HTTP/1.1")) return stop(`${hosts} Host lines`);
    const body = bodyAt(bytes, end + 4, version, all("content-length"), all("transfer-encoding"));
    if (typeof body === "string") return stop(body);
    if (body === null) return stop(null);
    requests.push({ method, target, version, fields, body: body.body });
    at = body.end;
  }
}

/** null: not whole; a string: what is wrong. */
function bodyAt(
  bytes: string,
  start: number,
  version: string,
  lengths: readonly string[],
  codings: readonly string[],
): { body: string; end: number } | string | null {
  if (codings.length > 0) {
    if (version === "HTTP/1.0" || lengths.length > 0) return "Transfer-Encoding where it must not be";
    // RFC 9110 5.6.1: empty members of a list are none.
    const named = codings
      .join(",")
      .split(",")
      .map((coding) => coding.trim().toLowerCase())
      .filter((coding) => coding !== "");
    if (named.join(",") !== "chunked") return "a coding that is not chunked";
    return chunksAt(bytes, start);
  }
  if (lengths.length === 0) return { body: "", end: start };
  if (lengths.length > 1 || !/^[0-9]+$/.test(lengths[0]!)) return "not one Content-Length";
  const end = start + Number(lengths[0]);
  return end > bytes.length ? null : { body: bytes.slice(start, end), end };
}

function chunksAt(bytes: string, start: number): { body: string; end: number } | string | null {
  let body = "";
  for (let at = start; ;) {
    const end = bytes.indexOf("\r\n", at);
    if (end === -1) return null;
    const line = chunkLine.exec(bytes.slice(at, end));
    if (line === null) return "not a chunk";
    const size = Number.parseInt(line[1]!, 16);
    at = end + 2;
    if (size === 0) return trailersAt(bytes, at, body);
    if (at + size + 2 > bytes.length) return null;
    body += bytes.slice(at, at + size);
    at += size;
    if (!bytes.startsWith("\r\n", at)) return "a chunk longer than its size";
    at += 2;
  }
}

function trailersAt(
  bytes: string,
  start: number,
  body: string,
): { body: string; end: number } | string | null {
  for (let at = start; ;) {
    const end = bytes.indexOf("\r\n", at);
    if (end === -1) return null;
    if (end === at) return { body, end: at + 2 };
    if (!fieldLine.test(bytes.slice(at, end))) return "not a trailer line";
    at = end + 2;
  }
}
