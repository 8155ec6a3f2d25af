/** Whether the response to another client's request may answer a collapsed request too (RFC 9111 4, RFC 9211 2.7). */
import { headerValue, type RequestHead } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { credentialOf, mayShareWith } from "./credential.ts";
import { currentAgeMs } from "./freshness.ts";
import type { StoredMetadata } from "./stored-metadata.ts";
import { variantOf } from "./variant.ts";

/** The response is not selected by the request (RFC 9111 4.1): it says by which fields to select, and so whom to join. */
export function isOtherVariant(
  { headers }: Pick<RequestHead, "headers">,
  { variant, varyNames }: Pick<StoredMetadata, "variant" | "varyNames">,
): boolean {
  return variant !== variantOf(headers, varyNames);
}

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
  if (isOtherVariant({ headers }, response)) return false;
  if (headerValue(response.headers, "set-cookie") !== null) return false;
  if (minGeneration !== null && response.generation < minGeneration) return false;
  return mayShareWith(credentialOf(headers, policy), response);
}
