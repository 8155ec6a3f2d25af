/**
 * The media type of a request, as it counts for equality (RFC 9110 8.3): case, blanks, quotes and the order of
 * parameters mean nothing, nor does `charset=utf-8` where it is what the type means anyway, nor a form's boundary.
 */
export interface ContentType {
  /** Lower-case type and subtype. */
  readonly essence: string;
  /** Values without quotes, by lower-case name; of equal names the first counts. */
  readonly parameters: ReadonlyMap<string, string>;
  /** What enters the fingerprint. */
  readonly text: string;
  readonly isJson: boolean;
}

const plainJson: ContentType = {
  essence: "application/json",
  parameters: new Map(),
  text: "application/json",
  isJson: true,
};

/** @param line the Content-Type field; null: there is none */
export function readContentType(line: string | null): ContentType | null {
  if (line === null) return null;
  if (line === "application/json") return plainJson; // what most clients send
  const [first = "", ...rest] = splitAtSemicolons(line);
  const essence = first.toLowerCase();
  const isJson = isJsonType(essence);
  const parameters = new Map<string, string>();
  for (const piece of rest) {
    const [name, value] = parameterOf(piece);
    if (name !== "" && !parameters.has(name)) parameters.set(name, value);
  }
  const isUtf8Anyway = isJson || essence === "application/x-www-form-urlencoded";
  const counted = [...parameters]
    .filter(([name, value]) => !(name === "charset" && value === "utf-8" && isUtf8Anyway))
    .filter(([name]) => !(name === "boundary" && essence.startsWith("multipart/")))
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}=${isPlain(value) ? value : JSON.stringify(value)}`);
  return { essence, parameters, text: [essence, ...counted].join(";"), isJson };
}

export function isJsonType(essence: string): boolean {
  return essence === "application/json" || /^[^/]+\/[^/]+\+json$/.test(essence);
}

function parameterOf(piece: string): [name: string, value: string] {
  const equals = piece.indexOf("=");
  if (equals === -1) return [piece.toLowerCase(), ""];
  const name = piece.slice(0, equals).trim().toLowerCase();
  const raw = piece.slice(equals + 1).trim();
  const value =
    raw.length >= 2 && raw.startsWith('"') && raw.endsWith('"')
      ? raw.slice(1, -1).replaceAll(/\\(.)/g, "$1")
      : raw;
  if (name !== "charset") return [name, value];
  const charset = value.toLowerCase();
  return [name, charset === "utf8" ? "utf-8" : charset];
}

function isPlain(value: string): boolean {
  return /^[^\s";,\\]*$/.test(value);
}

/** Pieces without blanks around them; a semicolon within quotes is none. */
function splitAtSemicolons(line: string): string[] {
  const pieces: string[] = [];
  let from = 0;
  let isQuoted = false;
  for (let i = 0; i < line.length; i++) {
    const character = line[i];
    if (isQuoted && character === "\\") i++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === ";" && !isQuoted) {
      pieces.push(line.slice(from, i).trim());
      from = i + 1;
    }
  }
  pieces.push(line.slice(from).trim());
  return pieces;
}
