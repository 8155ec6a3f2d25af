/**
 * For which services requests are also looked for under the scopes of before: those whose scopes got the principal or the
 * host by a change of the configuration, until what the old scopes hold has ended.
 */
import type { Service } from "@sticky-proxy/core/registry";

export interface FormerScopes {
  /** Whether scopes of before, without `part`, may still hold something of the service. */
  mayHold(service: string, part: "principal" | "host"): boolean;
}

export interface FormerScopesDeps {
  readonly switches: {
    note(service: string, part: "principal" | "host", isOn: boolean): Promise<number | null>;
    now(): Promise<number>;
  };
  /** ms */
  readonly monotonic: () => number;
}

/** Replicas of the old configuration go on for a while beside those of the new one. */
const rolloutMs = 600_000;

/** Of a node that has just started. @throws StoreUnavailable */
export async function openFormerScopes(
  services: readonly Service[],
  { switches, monotonic }: FormerScopesDeps,
): Promise<FormerScopes> {
  const until = new Map<string, number>();
  const now = await switches.now();
  const startedAt = monotonic();
  for (const service of services) {
    const parts = { principal: service.authentication !== "off", host: service.preserveHost };
    for (const part of ["principal", "host"] as const) {
      const since = await switches.note(service.name, part, parts[part]);
      if (since === null || since === 0) continue;
      until.set(`${part}:${service.name}`, startedAt + (since + longestMs(service) + rolloutMs - now));
    }
  }
  return {
    mayHold: (service, part) => monotonic() < (until.get(`${part}:${service}`) ?? -Infinity),
  };
}

/** The longest time for which a process of the service, begun now, may hold its scope. */
function longestMs({ routes }: Service): number {
  const times = routes.flatMap(({ process }) =>
    process === null
      ? []
      : [
          Math.max(process.resultTtlMs, ...Object.values(process.resultTtlByClass)) +
            (process.deadlineMs ?? 0),
        ],
  );
  return Math.max(0, ...times);
}
