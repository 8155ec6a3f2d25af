/** Tells people of the mirror's trouble: looks at sums, and sends a signed event when something begins, goes on, or ends. */
import { createHash } from "node:crypto";
import {
  alertsOf,
  coverageWindow,
  decideAlerts,
  noSums,
  sumsBetween,
  windowSums,
  type Alert,
  type AlertEvent,
  type AlertPolicy,
  type CoverageRow,
  type Differences,
  type KnownAlert,
  type MirrorChain,
  type Outbox,
  type WindowSums,
} from "@sticky-proxy/core/mirror";
import { readSigningKey, signWebhook, type Clock } from "@sticky-proxy/protocol";
import type { OutboundCallers } from "@sticky-proxy/upstream";

export interface AlertEndpoint {
  readonly name: string;
  readonly url: string;
  readonly secrets: readonly string[];
  readonly allowPrivate: boolean;
}

export interface MirrorAlertsDeps {
  readonly policy: AlertPolicy & { readonly chainMs: number };
  readonly endpoint: AlertEndpoint;
  readonly callers: OutboundCallers;
  readonly differences: Pick<Differences, "coverage">;
  readonly outbox: Pick<Outbox, "lag" | "parkedKeys">;
  readonly chain: MirrorChain;
  readonly known: {
    read(): Promise<ReadonlyMap<string, KnownAlert>>;
    write(name: string, known: KnownAlert): Promise<void>;
    forget(name: string): Promise<void>;
  };
  /** The store's time. */
  readonly clock: Pick<Clock, "now">;
  readonly onTold: (event: AlertEvent, detail: string) => void;
}

export interface MirrorAlerts {
  /** Looks and tells. Only one node of the cluster calls it. @throws StoreUnavailable */
  look(): Promise<void>;
  /** Another node looks from here on. */
  rest(): void;
}

/** Keys that are counted at most. */
const maxStopped = 1000;

type Sample = { readonly at: number; readonly hour: number; readonly sums: ReadonlyMap<string, WindowSums> };

export function createMirrorAlerts(deps: MirrorAlertsDeps): MirrorAlerts {
  const { policy, differences, outbox, known, clock } = deps;
  let samples: Sample[] = [];
  let chainBroken: readonly string[] = [];
  let chainAt: number | null = null;

  async function found(now: number): Promise<readonly Alert[]> {
    const [latest, long, lags, parked] = await Promise.all([
      differences.coverage({ since: now, service: null }),
      differences.coverage({ since: now - policy.longMs, service: null }),
      outbox.lag(),
      outbox.parkedKeys({ limit: maxStopped }),
    ]);
    const sample = { at: now, hour: coverageWindow(now), sums: byService(latest) };
    const before = baseline(samples, sample, policy.shortMs);
    samples = [...samples.filter(({ at }) => at >= now - 2 * policy.shortMs), sample];
    const all = byService(long);
    return [...new Set([...all.keys(), ...lags.keys()])].flatMap((service) =>
      alertsOf(
        {
          service,
          long: all.get(service) ?? noSums,
          short:
            before === null
              ? null
              : sumsBetween(before.get(service) ?? noSums, sample.sums.get(service) ?? noSums),
          lag: lags.get(service) ?? null,
          stopped: parked.filter((key) => key.service === service && key.nextAt === null).length,
        },
        policy,
      ),
    );
  }

  async function brokenChain(now: number): Promise<readonly Alert[]> {
    if (chainAt === null || now - chainAt >= policy.chainMs) {
      chainBroken = (await deps.chain.verify()).flatMap(({ broken }) => broken);
      chainAt = now;
    }
    const [first] = chainBroken;
    return first === undefined
      ? []
      : [
          {
            kind: "chain",
            service: "",
            found: `${chainBroken.length} places (mirror verify), first ${first}`,
          },
        ];
  }

  return {
    async look() {
      const now = clock.now();
      const alerts = [...(await found(now)), ...(await brokenChain(now))];
      const { begun, over, events } = decideAlerts(alerts, await known.read(), now, policy.repeatMs);
      for (const [name, one] of begun) await known.write(name, one);
      for (const name of over) await known.forget(name);
      for (const event of events) {
        if (!(await tell(deps, event, now))) continue; // with the next look, under the same id
        if (event.state === "resolved") await known.forget(event.name);
        else await known.write(event.name, { since: event.since, toldAt: now });
      }
    },
    rest() {
      samples = [];
      chainAt = null;
    },
  };
}

function byService(rows: readonly CoverageRow[]): ReadonlyMap<string, WindowSums> {
  const names = new Set(rows.map(({ service }) => service));
  const of = (name: string) => rows.flatMap(({ service, coverage }) => (service === name ? [coverage] : []));
  return new Map([...names].map((name) => [name, windowSums(of(name))]));
}

/** What the hour's counters said a short window ago; in a new hour nothing; null: this node looks for the first time. */
function baseline(
  samples: readonly Sample[],
  { at, hour }: Sample,
  shortMs: number,
): ReadonlyMap<string, WindowSums> | null {
  const [oldest] = samples;
  if (oldest === undefined) return null;
  const ofHour = samples.filter((sample) => sample.hour === hour);
  const old = ofHour.findLast((sample) => sample.at <= at - shortMs) ?? ofHour[0];
  return oldest.hour < hour && (old === undefined || old.at > at - shortMs)
    ? new Map()
    : (old?.sums ?? new Map());
}

/** true: the receiver has it. */
async function tell(
  { endpoint, callers, onTold }: MirrorAlertsDeps,
  event: AlertEvent,
  now: number,
): Promise<boolean> {
  const { name, kind, service, state, since, found } = event;
  const data = {
    kind,
    service: service === "" ? null : service,
    state,
    since: new Date(since).toISOString(),
    found,
  };
  const type = `mirror.alert-${state}`;
  const body = Buffer.from(JSON.stringify({ type, timestamp: new Date(now).toISOString(), data }));
  // A try that is made again has the same id, and what is told later of the same alert another one.
  const id = createHash("sha256")
    .update(`${name} ${since} ${state} ${event.toldAt}`)
    .digest("base64url")
    .slice(0, 22);
  const keys = endpoint.secrets.flatMap((secret) => readSigningKey(secret) ?? []);
  const signature = signWebhook(`mirror_alert_${id}`, body, keys, now);
  const answer = await (endpoint.allowPrivate ? callers.allowingPrivate : callers.guarded).call({
    method: "POST",
    url: new URL(endpoint.url),
    headers: [["Content-Type", "application/json"], ...Object.entries(signature)],
    body,
    timeoutMs: 15_000,
    maxBytes: 16_384,
  });
  const isTaken = answer.kind !== "failed" && answer.status >= 200 && answer.status < 300;
  onTold(event, answer.kind === "failed" ? answer.detail : String(answer.status));
  return isTaken;
}
