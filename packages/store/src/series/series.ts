/** The time series in Redis: a hash of counters for each bucket of each ring, which ends by itself. */
import {
  allServices,
  bucketStart,
  isPeak,
  rings,
  type Bucket,
  type SeriesStore,
} from "@sticky-proxy/core/series";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { defineScript, newCall, runScript, type ScriptArg } from "../redis/scripts.ts";
import { unavailable } from "../redis/unavailable.ts";

const addScript = defineScript({
  name: "series-add",
  file: new URL("./add.lua", import.meta.url),
  keys: ["mark"],
  moreKeys: "buckets",
  args: ["writer", "call"],
  moreArgs: "values",
});

/** In every bucket of all services, so that a bucket in which nothing happened is told from one that nobody wrote. */
const written = "writes";

export function createSeries({
  redis: { reads, writes },
  keys,
}: {
  readonly redis: Pick<RedisConnections, "reads" | "writes">;
  readonly keys: Keys;
}): SeriesStore {
  const keyOf = (stepMs: number, start: number, service: string): string =>
    keys.meta(`ts:${stepMs / 1000}:${start / 1000}:${service}`);

  return {
    async add(writer, start, changes) {
      const all = new Map([[allServices, new Map<string, number>()], ...changes]);
      const buckets = rings.flatMap(({ stepMs, spanMs }) =>
        [...all].map(([service, values]) => ({
          key: keyOf(stepMs, bucketStart(start, stepMs), service),
          values: valuesOf(
            spanMs + stepMs,
            service === allServices ? [[written, 1], ...values] : [...values],
          ),
        })),
      );
      try {
        await runScript(writes, addScript, {
          keys: { mark: keyOf(rings[0].stepMs, start, allServices) },
          moreKeys: buckets.map(({ key }) => key),
          args: { writer, call: newCall() },
          moreArgs: buckets.flatMap(({ values }) => values),
        });
      } catch (cause) {
        throw unavailable("series-add", cause);
      }
    },

    async read(stepMs, starts, service) {
      try {
        // Small commands in one write, so that none keeps others waiting for long.
        return await Promise.all(
          starts.map(async (start) => {
            const [values, isWritten] = await Promise.all([
              reads.hgetall(keyOf(stepMs, start, service)),
              service === allServices ? null : reads.hexists(keyOf(stepMs, start, allServices), written),
            ]);
            return bucketOf(values, isWritten === null ? written in values : isWritten === 1);
          }),
        );
      } catch (cause) {
        throw unavailable("series-read", cause);
      }
    },
  };
}

function valuesOf(ttlMs: number, values: readonly (readonly [string, number])[]): ScriptArg[] {
  const gauges = values.filter(([name]) => isPeak(name));
  const sums = values.filter(([name]) => !isPeak(name));
  return [ttlMs, sums.length, gauges.length, ...sums.flat(), ...gauges.flat()];
}

function bucketOf(values: Readonly<Record<string, string>>, isWritten: boolean): Bucket | null {
  if (!isWritten) return null;
  return new Map(Object.entries(values).map(([name, value]) => [name, Number(value)]));
}
