/** Whose request is it? The values of the configured credential sources, in their order. Pure. */
import { headerLines, type HeaderList } from "../http/message.ts";

/**
 * @param sources lower-case header names, or "cookie.<name>" for one cookie
 * @returns one value per source; null: the request has none. Several lines of a source count together.
 */
export function credentialValues(headers: HeaderList, sources: readonly string[]): (string | null)[] {
  return sources.map((source) => {
    const values = source.startsWith("cookie.")
      ? cookieValues(headers, source.slice("cookie.".length))
      : headerLines(headers, source);
    return values.length === 0 ? null : values.join("\n");
  });
}

function cookieValues(headers: HeaderList, name: string): string[] {
  const values: string[] = [];
  for (const line of headerLines(headers, "cookie")) {
    for (const pair of line.split(";")) {
      const at = pair.indexOf("=");
      if (at !== -1 && pair.slice(0, at).trim() === name) values.push(pair.slice(at + 1).trim());
    }
  }
  return values;
}
