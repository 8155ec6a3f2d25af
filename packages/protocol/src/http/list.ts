/**
 * Comma-separated lists, RFC 9110 5.6.1: members outside quoted strings, empty ones dropped. With another separator
 * the parameters of one member (5.6.6).
 * A quote that never closes is an ordinary character, so nothing behind it can hide.
 */
export function splitList(text: string, separator: "," | ";" = ","): string[] {
  const members: string[] = [];
  let from = 0;
  for (let i = 0; i <= text.length; i++) {
    if (text[i] === '"') {
      i = closingQuote(text, i) ?? i;
    } else if (i === text.length || text[i] === separator) {
      const member = trimOws(text.slice(from, i));
      if (member !== "") members.push(member);
      from = i + 1;
    }
  }
  return members;
}

/** Index of the quote that ends the quoted-string beginning at `open`; null when there is none. */
export function closingQuote(text: string, open: number): number | null {
  for (let i = open + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i;
  }
  return null;
}

/** Without optional whitespace at both ends: space and tab only (RFC 9110 5.6.3). */
export function trimOws(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && (text[from] === " " || text[from] === "\t")) from++;
  while (to > from && (text[to - 1] === " " || text[to - 1] === "\t")) to--;
  return text.slice(from, to);
}

/** true: one quoted-string from end to end (RFC 9110 5.6.4). */
export function isQuoted(text: string): boolean {
  return text.length >= 2 && text[0] === '"' && closingQuote(text, 0) === text.length - 1;
}

/** The content of a quoted-string with its escapes undone; any other text as it is. */
export function unquote(text: string): string {
  return isQuoted(text) ? text.slice(1, -1).replace(/\\(.)/gs, "$1") : text;
}
