/** JSON Pointer (RFC 6901). */

/** Reference tokens, escapes decoded; none: the whole document. */
export type Pointer = readonly string[];

const shape = /^(?:\/(?:[^~/]|~[01])*)*$/;

/** Whether `text` is a pointer (section 3); "" is the whole document. */
export function isPointer(text: string): boolean {
  return shape.test(text);
}

/** The tokens of a pointer's text (section 4). @param text as {@link isPointer} takes it */
export function parsePointer(text: string): Pointer {
  return text
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export function formatPointer(pointer: Pointer): string {
  return pointer.map(pointerStep).join("");
}

/** One token as it stands in a pointer's text, slash included. */
export function pointerStep(token: string): string {
  return `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** The value at a pointer in parsed JSON; undefined: nothing there. Own properties only. */
export function pointerValue(document: unknown, pointer: Pointer): unknown {
  let at = document;
  for (const token of pointer) {
    if (Array.isArray(at)) at = /^(0|[1-9]\d*)$/.test(token) ? at[Number(token)] : undefined;
    else if (typeof at === "object" && at !== null && Object.hasOwn(at, token))
      at = (at as Record<string, unknown>)[token];
    else return undefined;
  }
  return at;
}

/**
 * Can a member be set at the pointer, making the objects that are missing on its way?
 * @returns the pointer of what is in the way ("" is the document itself), null: nothing
 */
export function pointerObstacle(document: unknown, pointer: Pointer): string | null {
  let at = document;
  for (const [i, token] of pointer.entries()) {
    if (typeof at !== "object" || at === null || Array.isArray(at)) return formatPointer(pointer.slice(0, i));
    if (!Object.hasOwn(at, token)) return null;
    at = (at as Record<string, unknown>)[token];
  }
  return null;
}
