/** The fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers, structured fields of RFC 9651). */

/** What a caller's share of something is, and what is left of it. */
export interface RateLimitFacts {
  /** The budget's name: a token. */
  readonly name: string;
  /** Units of the whole share. */
  readonly quota: number;
  /** Units; absent: requests. */
  readonly unit?: "content-bytes" | "concurrent-requests";
  /** Seconds of the window; null: a share of what is held at once, without a window. */
  readonly windowS: number | null;
  readonly left: number;
  /** Whole seconds until it is whole again; null: not known. */
  readonly resetS: number | null;
}

export function rateLimitFields(facts: RateLimitFacts): Readonly<Record<string, string>> {
  const { name, quota, unit, windowS, left, resetS } = facts;
  const about = unit === undefined ? "" : `;qu="${unit}"`;
  return {
    "RateLimit-Policy": `"${name}";q=${quota}${about}${windowS === null ? "" : `;w=${windowS}`}`,
    RateLimit: `"${name}";r=${left}${resetS === null ? "" : `;t=${resetS}`}`,
  };
}
