/**
 * A signed message is good for one process and one action, once: a signature covers the message's id, time and content, but
 * not where it goes. Its id is bound to its first use for as long as its timestamp could be believed.
 */
import { createHash } from "node:crypto";
import { unauthorized, type ApplyReportDeps } from "./apply-report.ts";
import type { Signed } from "./verify-callback.ts";

/** A timestamp is believed for 300 s before and after. */
const memoryMs = 600_000;

/**
 * Takes the message for this use. first: also where nothing was signed; again: it has come before for the same use.
 * @throws Problem unauthorized: it was used for another process or action; StoreUnavailable
 */
export async function useOfMessage(
  deps: ApplyReportDeps,
  service: string,
  { messageId }: Signed,
  use: string,
): Promise<"first" | "again"> {
  if (messageId === null) return "first";
  const { store } = deps.processes;
  const digest = createHash("sha256").update(use).digest("base64url").slice(0, 22);
  const used = await store.useMessage(service, messageId, digest, memoryMs);
  if (used === "otherwise") throw unauthorized(deps, service);
  return used;
}
