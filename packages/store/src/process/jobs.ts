/** Which process and attempt a service's own job id belongs to. */
import { createHash } from "node:crypto";
import { formatProcessId, parseProcessId } from "@sticky-proxy/protocol";
import type { ProcessStore } from "@sticky-proxy/core/process";
import { guarded, type ProcessIo } from "./io.ts";

/** @throws StoreUnavailable */
export function createJobs({
  redis,
  keys,
  partitions,
}: ProcessIo): Pick<ProcessStore, "correlate" | "correlated"> {
  function jobKey(service: string, jobId: string): string {
    const digest = createHash("sha256").update(`${service.length}:${service}${jobId}`).digest();
    return keys.job(digest.readUInt32BE(0) % partitions, digest.toString("base64url"));
  }
  return {
    correlate: (service, jobId, { attempt, ...ref }, keepMs) =>
      guarded("correlate", async () => {
        const text = `${formatProcessId(ref)} ${attempt}`;
        await redis.writes.set(jobKey(service, jobId), text, "PX", Math.ceil(keepMs));
      }),

    correlated: (service, jobId) =>
      guarded("correlated", async () => {
        const [id = "", attempt] = (await redis.reads.get(jobKey(service, jobId)))?.split(" ") ?? [];
        const ref = parseProcessId(id);
        return ref && { ...ref, attempt: Number(attempt) };
      }),
  };
}
