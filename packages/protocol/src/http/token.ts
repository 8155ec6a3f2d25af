/** token (RFC 9110 5.6.2) and what is made of it. */

/** The characters of a token, for the inside of a character class. */
export const tokenCharacters = "!#$%&'*+\\-.^_`|~0-9A-Za-z";

const token = new RegExp(`^[${tokenCharacters}]+$`);
const mediaType = new RegExp(`^[${tokenCharacters}]+/[${tokenCharacters}]+$`);
/** field-value (RFC 9110 5.5) as latin1 text: no control but tab, no blank at either end. */
const fieldValue = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** Also: whether it is a field name (5.1) or a method (9.1). */
export function isToken(text: string): boolean {
  return token.test(text);
}

/** type/subtype without parameters (8.3.1). */
export function isMediaType(text: string): boolean {
  return mediaType.test(text);
}

export function isFieldValue(text: string): boolean {
  return fieldValue.test(text);
}
