/** Whether the response to another client's request may answer a collapsed request too (RFC 9111 4, RFC 9211 2.7). */
import { headerValue, type RequestHead } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { credentialOf, mayShareWith } from "./credential.ts";
import { currentAgeMs } from "./freshness.ts";
import type { StoredMetadata } from "./stored-metadata.ts";
import { variantOf } from "./variant.ts";

/**
 * `minGeneration`: the partition's generation at the collapsed request's look-up; a response whose fetch began before
 * that may be older than a purge (C2). null: the look-up was not answered. `now`: server time, epoch ms.
 */
export function mayReuseCollapsed(
  { headers }: Pick<RequestHead, "headers">,
  response: StoredMetadata,
  policy: CachePolicy,
  minGeneration: number | null,
  now: number,
): boolean {
  if (response.noCache || response.lifetimeMs <= currentAgeMs(response, now)) return false;
  if (response.variant !== variantOf(headers, response.varyNames)) return false;
  if (headerValue(response.headers, "set-cookie") !== null) return false;
  if (minGeneration !== null && response.generation < minGeneration) return false;
  return mayShareWith(credentialOf(headers, policy), response);
}
