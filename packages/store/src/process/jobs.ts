/** Which attempts a service's own job id stands for, what its messages were used for, and reports that came early. */
import { createHash } from "node:crypto";
import { asEpochMs, formatProcessId, parseProcessId } from "@sticky-proxy/protocol";
import {
  maxEarlyBytes,
  maxEarlyReports,
  type AttemptRef,
  type EarlyReport,
  type ProcessStore,
} from "@sticky-proxy/core/process";
import type { StoredResponse } from "@sticky-proxy/core/http";
import { serverTime } from "../redis/redis.ts";
import { defineScript, newCall } from "../redis/scripts.ts";
import { guarded, type ProcessIo } from "./io.ts";

type Jobs = Pick<
  ProcessStore,
  "jobHolders" | "holdJob" | "useMessage" | "remember" | "remembered" | "keepEarly" | "takeEarly"
>;

export const holdJobScript = defineScript({
  name: "hold-job",
  file: new URL("./hold-job.lua", import.meta.url),
  keys: ["job"],
  args: ["digest", "call", "held", "holders", "keepMs"],
});

/** @throws StoreUnavailable */
export function createJobs({ redis, keys, partitions, run, sealing }: ProcessIo): Jobs {
  function digestOf(service: string, jobId: string): Buffer {
    return createHash("sha256").update(`${service.length}:${service}${jobId}`).digest();
  }
  function place(service: string, id: string): [partition: number, digest: string] {
    const digest = digestOf(service, id);
    return [digest.readUInt32BE(0) % partitions, digest.toString("base64url")];
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
    jobHolders: (service, jobId) =>
      guarded("job-holders", async () =>
        holdersIn(await redis.reads.get(keys.job(...place(service, jobId)))),
      ),

    async holdJob(service, jobId, holders, held, keepMs) {
      const at = place(service, jobId);
      const { word } = await run(redis.writes, holdJobScript, {
        keys: { job: keys.job(...at) },
        args: {
          digest: at[1],
          call: newCall(),
          held: holdersText(held),
          holders: holdersText(holders),
          keepMs: Math.ceil(keepMs),
        },
      });
      return word === "held";
    },

    useMessage: (service, messageId, use, keepMs) =>
      guarded("use-message", async () => {
        const key = keys.message(...place(service, messageId));
        const isFirst = await redis.writes.set(key, use, "PX", Math.ceil(keepMs), "NX");
        if (isFirst !== null) return "first";
        // On the connection of the write: a replica may not know it yet.
        return (await redis.writes.get(key)) === use ? "again" : "otherwise";
      }),

    remember: (name, ref, keepMs) =>
      guarded("remember", async () => {
        await redis.writes.set(keys.job(...place("@", name)), formatProcessId(ref), "PX", Math.ceil(keepMs));
      }),
    remembered: (name) =>
      guarded("remembered", async () =>
        parseProcessId((await redis.reads.get(keys.job(...place("@", name)))) ?? ""),
      ),

    // Replicas that count side by side may go over the bound by one each: it guards memory, not correctness.
    keepEarly: (service, jobId, report, keepMs) =>
      guarded("keep-early", async () => {
        if ((report.result?.response.body.length ?? 0) > maxEarlyBytes) return false;
        const { digest, index, report: key } = earlyKeys(service, jobId);
        const now = await serverTime(redis.writes);
        await redis.writes.zremrangebyscore(index, "-inf", now);
        if ((await redis.writes.zcard(index)) >= maxEarlyReports) return false;
        await Promise.all([
          redis.writes.set(
            key,
            sealing.sealText(`early;${service};${digest}`, encoded(report)),
            "PX",
            Math.ceil(keepMs),
          ),
          redis.writes.zadd(index, asEpochMs(now + keepMs), digest),
          redis.writes.pexpire(index, Math.ceil(keepMs)),
        ]);
        return true;
      }),

    takeEarly: (service, jobId) =>
      guarded("take-early", async () => {
        const { digest, index, report } = earlyKeys(service, jobId);
        const text = await redis.writes.get(report);
        if (text === null) return null;
        // Opened before it is taken: what does not open is not lost.
        const clear = sealing.openText(`early;${service};${digest}`, text);
        if ((await redis.writes.getdel(report)) === null) return null;
        await redis.writes.zrem(index, digest);
        return decoded(clear);
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

/** "<process id> <attempt>" of each holder. */
function holdersText(holders: readonly AttemptRef[]): string {
  return holders.map(({ attempt, ...ref }) => `${formatProcessId(ref)} ${attempt}`).join(" ");
}

function holdersIn(text: string | null): AttemptRef[] {
  const words = text?.split(" ") ?? [];
  const holders: AttemptRef[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) {
    const ref = parseProcessId(words[i]!);
    if (ref !== null) holders.push({ ...ref, attempt: Number(words[i + 1]) });
  }
  return holders;
}
