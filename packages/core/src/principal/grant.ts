/** What an authentication has proved about a caller, and what the caller may therefore do. */

/** submit: send requests to services; read: safe requests and the state of own processes; cancel, and forget; force, and rerun. */
export const grantScopes = ["submit", "read", "cancel", "force"] as const;

export type GrantScope = (typeof grantScopes)[number];

export interface Grant {
  /** Names the principal; 1 to 255 characters. */
  readonly subject: string;
  readonly scopes: readonly GrantScope[];
  /** Lower-case names of the fields that carried the credential. */
  readonly fields: readonly string[];
}

/** One method's word on a request. */
export type Proof =
  /** No credential of the method's kind: the next method is asked. */
  | { readonly kind: "absent" }
  | { readonly kind: "proved"; readonly grant: Grant }
  /** A credential of its kind that does not hold; `why` is for the log. */
  | { readonly kind: "refused"; readonly why: string }
  /** It cannot be told now (keys or service away): fail closed. */
  | { readonly kind: "unavailable"; readonly why: string };

/** null: no usable name. */
export function subjectOf(value: unknown): string | null {
  return typeof value === "string" && value.length > 0 && value.length <= 255 ? value : null;
}

/** The scopes in a claim or field: words separated by blanks or commas, or a list of them; other words mean nothing here. */
export function scopesIn(value: unknown): GrantScope[] {
  const words = Array.isArray(value) ? value : typeof value === "string" ? value.split(/[\s,]+/) : [];
  return grantScopes.filter((scope) => words.includes(scope));
}

/** Whether the scopes let a request of this method through to a service. */
export function maySend(scopes: readonly GrantScope[], isSafe: boolean): boolean {
  return scopes.includes("submit") || (isSafe && scopes.includes("read"));
}
