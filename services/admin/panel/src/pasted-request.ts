/** A request as people copy it: a curl command (also a browser's "copy as cURL"), or its HTTP/1.1 text. */

export interface PastedRequest {
  /** Upper case. */
  readonly method: string;
  /** As it stands: absolute, or a path with its query. */
  readonly url: string;
  /** As the client sends it, with a port; null: it says none. */
  readonly host: string | null;
  /** The `Idempotency-Key` field, without the quotes of a Structured Field string; null: it has none. */
  readonly idempotencyKey: string | null;
}

type Fields = ReadonlyMap<string, string>;

/** null: neither of them. */
export function readPastedRequest(text: string): PastedRequest | null {
  const trimmed = text.trim();
  return /^(?:\$\s+)?curl\s/.test(trimmed) ? readCurl(trimmed) : readHttp(trimmed);
}

/** RFC 9112 sections 3 and 5; lines may end with LF alone, and the body is not read. */
function readHttp(text: string): PastedRequest | null {
  const [first, ...lines] = text.split(/\r?\n/);
  const start = /^([A-Z]+) (\S+) HTTP\/\d(?:\.\d)?$/.exec(first!.trim());
  if (start === null) return null;
  const end = lines.findIndex((line) => line.trim() === "");
  return requestOf(start[1]!, start[2]!, fieldsOf(end === -1 ? lines : lines.slice(0, end)));
}

const methodOptions = new Set(["-X", "--request"]);
const headerOptions = new Set(["-H", "--header"]);
const dataOption = /^(?:-d|--data(?:-raw|-binary|-ascii|-urlencode)?|--json|-F|--form)$/;
/** Options of curl with a value that says nothing of the request's identity. */
const valueOption =
  /^(?:-[AbcCDeEKmoPQrTtuUwxYyz]|--(?:user|user-agent|cookie|cookie-jar|referer|output|max-time|connect-timeout|proxy|cacert|cert|key|resolve|connect-to|write-out|retry|upload-file|config))$/;

function readCurl(text: string): PastedRequest | null {
  const words = shellWords(text.replace(/^\$\s+/, ""))
    .slice(1)
    .flatMap(splitOption);
  const lines: string[] = [];
  let method: string | null = null;
  let url: string | null = null;
  let hasData = false;
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i]!;
    if (methodOptions.has(word)) method = words[++i] ?? null;
    else if (headerOptions.has(word)) lines.push(words[++i] ?? "");
    else if (word === "--url") url = words[++i] ?? null;
    else if (/^-[a-zA-Z]*I/.test(word) || word === "--head") method ??= "HEAD";
    else if (dataOption.test(word)) {
      hasData = true;
      i += 1;
    } else if (valueOption.test(word)) i += 1;
    else if (!word.startsWith("-")) url ??= word;
  }
  if (url === null) return null;
  const absolute = /^https?:\/\//i.test(url) ? url : `http://${url}`;
  return requestOf(method ?? (hasData ? "POST" : "GET"), absolute, fieldsOf(lines));
}

/** Short options stand together, `-sSXPOST`: the first that takes a value takes the rest, or the word after. */
function splitOption(word: string): readonly string[] {
  const short = /^-[^-XHdFAbcCDeEKmoPQrTtuUwxYyz]*([XHdFAbcCDeEKmoPQrTtuUwxYyz])(.*)$/s.exec(word);
  if (short !== null) return [`-${short[1]!}`, short[2]!].filter((part) => part !== "");
  const long = /^(--(?:request|header|url|json|data(?:-\w+)?))=(.*)$/s.exec(word);
  return long === null ? [word] : [long[1]!, long[2]!];
}

/** As a POSIX shell splits a line, with $'…' of browsers; nothing is expanded. */
function shellWords(text: string): readonly string[] {
  const part = /'([^']*)'|\$'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|\\\r?\n|\\(.)|([^\s'"\\])|(\s+)/gsy;
  const words: string[] = [];
  let word: string | null = null;
  for (const [, single, ansi, double, escaped, plain, space] of text.matchAll(part)) {
    if (space !== undefined) {
      if (word !== null) words.push(word);
      word = null;
      continue;
    }
    const unquoted = (ansi ?? double)?.replaceAll(/\\(.)/gs, "$1");
    const value = single ?? unquoted ?? escaped ?? plain;
    if (value !== undefined) word = (word ?? "") + value;
  }
  if (word !== null) words.push(word);
  return words;
}

/** Names in lower case; of several lines of one name the first. */
function fieldsOf(lines: readonly string[]): Fields {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name !== "" && !fields.has(name)) fields.set(name, line.slice(colon + 1).trim());
  }
  return fields;
}

function requestOf(method: string, url: string, fields: Fields): PastedRequest {
  const key = fields.get("idempotency-key") ?? fields.get("x-idempotency-key") ?? "";
  const authority = URL.canParse(url) ? new URL(url).host : "";
  const host = fields.get("host") ?? authority;
  return {
    method: method.toUpperCase(),
    url,
    host: host === "" ? null : host,
    idempotencyKey: key === "" ? null : unquoted(key),
  };
}

/** RFC 9651 section 3.3.3. */
function unquoted(value: string): string {
  const string = /^"((?:[^"\\]|\\["\\])*)"$/.exec(value);
  return string === null ? value : string[1]!.replaceAll(/\\(.)/g, "$1");
}
