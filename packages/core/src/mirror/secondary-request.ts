/** Which lines of a request the secondary gets (rule 17): credentials are dropped unless the route forwards them. */
import type { HeaderList } from "../http/message.ts";
import { isSecretName } from "./redact.ts";

/** `credential`: what the primary's service counts as its credential, lower-case names (or "cookie.<name>"). */
export function secondaryHeaders(
  headers: HeaderList,
  credentials: "drop" | "forward",
  credential: readonly string[],
): HeaderList {
  if (credentials === "forward") return headers;
  const named = new Set(credential.map((name) => (name.startsWith("cookie.") ? "cookie" : name)));
  return headers.filter(([name]) => {
    const field = name.toLowerCase();
    return !named.has(field) && !isSecretName(field);
  });
}
