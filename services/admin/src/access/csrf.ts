/**
 * Requests that change something and come with a cookie must come from the panel itself: browsers say so in
 * Sec-Fetch-Site, older ones in Origin; and their body is JSON, which no form of another site can send.
 */
export interface UnsafeRequest {
  readonly fetchSite: string | undefined;
  readonly origin: string | undefined;
  readonly host: string | undefined;
  readonly contentType: string | undefined;
}

/** Why the request is refused; null: it came from the panel. */
export function csrfFault({ fetchSite, origin, host, contentType }: UnsafeRequest): string | null {
  if (contentType?.split(";")[0]?.trim().toLowerCase() !== "application/json")
    return "the content type must be application/json";
  if (fetchSite !== undefined)
    return fetchSite === "same-origin" ? null : `the request comes from another site (${fetchSite})`;
  if (origin === undefined) return "neither Sec-Fetch-Site nor Origin says where the request comes from";
  const at = URL.canParse(origin) ? new URL(origin).host : null;
  return at !== null && at === host?.toLowerCase() ? null : "Origin is another site";
}
