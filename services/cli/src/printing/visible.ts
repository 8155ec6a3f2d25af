/**
 * `text` with characters that a terminal would obey written as \uXXXX: controls other than tab and line feed, and the
 * marks that turn the direction of writing. In JSON they stand in strings only, where that form is the same value.
 */
export function visible(text: string): string {
  return text.replace(
    // oxlint-disable-next-line no-control-regex
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
