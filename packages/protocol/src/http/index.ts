// Grammar of HTTP: dates, entity tags, lists, tokens, methods, fields of a connection.
export { isHopByHop } from "./connection-fields.ts";
export { entityTags, isSameTag } from "./entity-tags.ts";
export { formatHttpDate, parseHttpDate } from "./http-date.ts";
export { isQuoted, splitList, trimOws, unquote } from "./list.ts";
export { isIdempotent, isSafe } from "./methods.ts";
export { isFieldValue, isMediaType, isToken, tokenCharacters } from "./token.ts";
