/** PURGE on the data plane: drops a URL with all its variants, or the tags it names. Off without a configured token. */
import { headerLines, headerValue, isCrossSite, type HeaderList } from "@sticky-proxy/core/http";
import { keysOfUri, selectorOf, type EntryPoint } from "@sticky-proxy/core/cache";
import type { Service } from "@sticky-proxy/core/registry";
import { Problem } from "@sticky-proxy/protocol";
import type { ProxyContext } from "../state.ts";
import type { CacheDeps } from "./cache-deps.ts";

/** Never for a page of another site. `Authorization: Bearer <token>`; `Sticky-Purge: soft` makes responses stale instead of dropping them; Surrogate-Key or Cache-Tag name tags. */
export async function purgeRequest(
  deps: CacheDeps,
  ctx: ProxyContext,
  service: Service,
  at: EntryPoint,
): Promise<void> {
  const { store, log, observe } = deps;
  const { head, serviceHead, requestId, client } = ctx.state;
  const { headers } = serviceHead;
  const ownHosts = [client.host, ...deps.publicOrigins.map((origin) => new URL(origin).host)];
  if (isCrossSite(head.headers, ownHosts, service.cors))
    throw new Problem("csrf-rejected", { detail: "A page of another site asks for a purge." });
  const grant = granted(deps, headers, client.address, service);
  const soft = headerValue(headers, "sticky-purge")?.trim().toLowerCase() === "soft";
  const tags = [...headerLines(headers, "surrogate-key"), ...headerLines(headers, "cache-tag")]
    .join(" ")
    .split(/[\s,]+/)
    .filter((tag) => tag !== "");
  const kind = tags.length > 0 ? "tag" : "key";
  if (kind === "tag" && !grant.isForAll)
    throw new Problem("forbidden", { detail: "Tags are of every service, and this token is for some." });
  // The fields of the audit line, the same for a complete and an incomplete purge.
  const entry = {
    requestId,
    client: client.address,
    kind,
    tags,
    soft,
    service: service.name,
    path: serviceHead.path, // a query may hold what is nobody's business
  };
  const purgeAll = async (selector: string | null): Promise<void> => {
    const report = selector === null ? null : await store.purge(selector, soft);
    if (report !== null && report.missing.length > 0) throw new Error("not acknowledged by every partition");
  };
  try {
    if (kind === "key") {
      await Promise.all(keysOfUri(service, serviceHead, at).map((key) => store.drop(key, soft)));
      // The keys of proved principals are not known here; what they have stored is found by its path.
      const prefix = { kind: "prefix", service: service.name, path: serviceHead.path } as const;
      if (service.authentication !== "off") await purgeAll(selectorOf(prefix));
    } else {
      for (const tag of tags) {
        await purgeAll(selectorOf({ kind: "tag", tag }));
      }
    }
  } catch (cause) {
    observe.storeError("purge", cause);
    log.warn("cache.purged", { ...entry, result: "incomplete" });
    throw new Problem("store-unavailable", {
      detail: "The purge is not complete; repeat it.",
      cause,
      headers: { "Retry-After": "1" },
    });
  }
  observe.purged(kind);
  log.info("cache.purged", { ...entry, result: "purged" });
  const body = Buffer.from(JSON.stringify({ purged: kind, soft }));
  ctx.state.reply = {
    status: 200,
    headers: [
      ["Content-Type", "application/json"],
      ["Cache-Control", "no-store"],
      ["Sticky-Source", "gateway"],
    ],
    body,
  };
}

/** @throws Problem unauthorized, forbidden (another service's token), rate-limited */
function granted(
  { purge, observe }: CacheDeps,
  headers: HeaderList,
  client: string,
  { name }: Service,
): { readonly isForAll: boolean } {
  const grant = purge?.grant(headerValue(headers, "authorization"), client) ?? null;
  const isAllowed = grant !== null && grant.mayPurge(name);
  const waitS = purge?.take(client, isAllowed ? "purge" : "refusal") ?? null;
  if (!isAllowed) observe.purgeRefused();
  if (waitS !== null) throw new Problem("rate-limited", { headers: { "Retry-After": String(waitS) } });
  if (grant === null)
    throw new Problem("unauthorized", { headers: { "WWW-Authenticate": 'Bearer realm="purge"' } });
  if (!isAllowed) throw new Problem("forbidden", { detail: "The token is not for this service." });
  return grant;
}
