/** Which process and attempt a service's own job id belongs to, and reports that came before that was known. */
import { createHash } from "node:crypto";
import { asEpochMs, formatProcessId, parseProcessId } from "@sticky-proxy/protocol";
import {
  maxEarlyBytes,
  maxEarlyReports,
  type EarlyReport,
  type ProcessStore,
} from "@sticky-proxy/core/process";
import type { StoredResponse } from "@sticky-proxy/core/http";
import { serverTime } from "../redis/redis.ts";
import { guarded, type ProcessIo } from "./io.ts";

type Jobs = Pick<ProcessStore, "correlate" | "correlated" | "keepEarly" | "takeEarly">;

/** @throws StoreUnavailable */
export function createJobs({ redis, keys, partitions }: ProcessIo): Jobs {
  function digestOf(service: string, jobId: string): Buffer {
    return createHash("sha256").update(`${service.length}:${service}${jobId}`).digest();
  }
  function jobKey(service: string, jobId: string): string {
    const digest = digestOf(service, jobId);
    return keys.job(digest.readUInt32BE(0) % partitions, digest.toString("base64url"));
  }
  /** A service's early reports stand on one partition, so that they can be counted. */
  function earlyKeys(service: string, jobId: string) {
    const partition = createHash("sha256").update(service).digest().readUInt32BE(0) % partitions;
    const digest = digestOf(service, jobId).toString("base64url");
    return {
      digest,
      index: keys.early(partition, service, null),
      report: keys.early(partition, service, digest),
    };
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

    // Replicas that count side by side may go over the bound by one each: it guards memory, not correctness.
    keepEarly: (service, jobId, report, keepMs) =>
      guarded("keep-early", async () => {
        if ((report.result?.response.body.length ?? 0) > maxEarlyBytes) return false;
        const { digest, index, report: key } = earlyKeys(service, jobId);
        const now = await serverTime(redis.writes);
        await redis.writes.zremrangebyscore(index, "-inf", now);
        if ((await redis.writes.zcard(index)) >= maxEarlyReports) return false;
        await Promise.all([
          redis.writes.set(key, encoded(report), "PX", Math.ceil(keepMs)),
          redis.writes.zadd(index, asEpochMs(now + keepMs), digest),
          redis.writes.pexpire(index, Math.ceil(keepMs)),
        ]);
        return true;
      }),

    takeEarly: (service, jobId) =>
      guarded("take-early", async () => {
        const { digest, index, report } = earlyKeys(service, jobId);
        const text = await redis.writes.getdel(report);
        if (text === null) return null;
        await redis.writes.zrem(index, digest);
        return decoded(text);
      }),
  };
}

/** The body is bytes of any kind, so it stands in base64. */
function encoded(report: EarlyReport): string {
  const body = report.result === null ? null : Buffer.from(report.result.response.body).toString("base64");
  return JSON.stringify({ report, body }, (name, value: unknown) =>
    name === "response" ? head(value) : value,
  );
}

function head(response: unknown): unknown {
  const { status, headers } = response as StoredResponse;
  return { status, headers };
}

function decoded(text: string): EarlyReport {
  const { report, body } = JSON.parse(text) as { report: EarlyReport; body: string | null };
  if (report.result === null || body === null) return report;
  const { id, response } = report.result;
  return { ...report, result: { id, response: { ...response, body: Buffer.from(body, "base64") } } };
}
