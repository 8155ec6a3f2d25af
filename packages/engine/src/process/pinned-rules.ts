/**
 * The rules that work in flight began with, on every replica: this node's own descriptions are kept where all find them
 * before a record names one, and what a record names and today's file does not say is read once and remembered.
 */
import {
  createRuleBook,
  readPin,
  type PinnedRules,
  type PinStore,
  type ProcessRecord,
  type RuleBook,
  type Rules,
} from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import type { Clock } from "@sticky-proxy/protocol";
import { createHmac, type KeyObject } from "node:crypto";

export interface PinnedRuleBook extends RuleBook {
  /** Reads what the record is pinned to, where this node lacks it; null: nothing to wait for. Rejects with StoreUnavailable. */
  learn(record: Pick<ProcessRecord, "rules">): Promise<void> | null;
  /** Before a record names these rules; null: they are kept already. Rejects with StoreUnavailable. */
  stand(rules: Rules): Promise<void> | null;
  /** Keeps today's descriptions and those in use for another while. Call it every minute. @throws StoreUnavailable */
  keep(): Promise<void>;
  /** Names a signing secret as descriptions do. */
  readonly keyId: (secret: string) => string;
  /** Every description of the service that is kept, whatever today's file says. @throws StoreUnavailable */
  ofService(service: string): Promise<readonly PinnedRules[]>;
}

export interface PinnedRulesDeps {
  readonly services: () => readonly Service[];
  readonly store: PinStore;
  readonly secret: KeyObject;
  readonly clock: Pick<Clock, "monotonic">;
}

interface Learnt {
  readonly text: string;
  readonly rules: PinnedRules;
  usedAt: number;
}

/** Beyond this the one that was used longest ago is forgotten, and read again when it is needed. */
const maxLearnt = 1000;
/** A description that is not kept is asked for again after this. */
const missingForMs = 1000;
/** What was used within this is kept on. */
const inUseMs = 10 * 60_000;

export function createPinnedRules({ services, store, secret, clock }: PinnedRulesDeps): PinnedRuleBook {
  const learnt = new Map<string, Learnt>();
  const missing = new Map<string, number>();
  const reading = new Map<string, Promise<void>>();
  let kept: ReadonlySet<string> = new Set();
  let keeping: Promise<void> | null = null;
  const keyId = (text: string): string =>
    createHmac("sha256", secret).update(`signing-key;${text}`).digest("base64url").slice(0, 11);

  const book = createRuleBook(
    services,
    {
      get(digest) {
        const found = learnt.get(digest);
        if (found === undefined) return null;
        found.usedAt = clock.monotonic();
        return found.rules;
      },
    },
    keyId,
  );

  async function read(digest: string): Promise<void> {
    const text = await store.read(digest);
    const rules = text === null ? null : readPin(text);
    if (text === null || rules === null) {
      missing.set(digest, clock.monotonic() + missingForMs);
      return;
    }
    missing.delete(digest);
    learnt.set(digest, { text, rules, usedAt: clock.monotonic() });
    if (learnt.size <= maxLearnt) return;
    const [oldest] = [...learnt].toSorted(([, a], [, b]) => a.usedAt - b.usedAt);
    if (oldest !== undefined) learnt.delete(oldest[0]);
  }

  async function keepAll(): Promise<void> {
    const own = [...book.pins().values()].map(({ rules, ...pin }) => ({ ...pin, service: rules.service }));
    const since = clock.monotonic() - inUseMs;
    const others = [...learnt]
      .filter(([, { usedAt }]) => usedAt >= since)
      .map(([digest, { text, rules }]) => ({ digest, text, service: rules.service, keepMs: usualKeepMs }));
    await store.keep([...own, ...others]);
    kept = new Set(own.map(({ digest }) => digest));
    for (const [digest, until] of missing) if (until <= clock.monotonic()) missing.delete(digest);
  }

  function keep(): Promise<void> {
    keeping ??= keepAll().finally(() => (keeping = null));
    return keeping;
  }

  return {
    ...book,
    keep,
    keyId,
    stand: ({ digest }) => (digest === undefined || kept.has(digest) ? null : keep()),
    learn(record) {
      const digest = book.lacks(record);
      if (digest === null || (missing.get(digest) ?? 0) > clock.monotonic()) return null;
      let answer = reading.get(digest);
      if (answer === undefined) {
        answer = read(digest).finally(() => reading.delete(digest));
        reading.set(digest, answer);
      }
      return answer;
    },
    async ofService(service) {
      return (await store.ofService(service)).flatMap((text) => readPin(text) ?? []);
    },
  };
}

/** Of a description whose own time this node did not compute: longer than dead letters and results stay by default. */
const usualKeepMs = 100 * 24 * 3_600_000;
