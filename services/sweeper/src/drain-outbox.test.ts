import { createManualClock, createMemoryMirror, type MemoryMirror } from "@sticky-proxy/core/testing";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { expect } from "chai";
import { startOutboxDrain, type OutboxDrain, type OutboxDrainDeps } from "./drain-outbox.ts";

/** Fake leader election: a test grants and ends each group's leadership. */
class Election {
  readonly leading = new Map<string, AbortController>();
  private readonly waiting = new Map<string, (signal: AbortSignal) => Promise<void>>();
  private readonly running = new Set<Promise<void>>();

  async lead(
    name: string,
    _ttlMs: number,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    this.waiting.set(name, work);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    for (const controller of this.leading.values()) controller.abort();
    await Promise.all(this.running);
  }
  grant(name: string): void {
    const controller = new AbortController();
    this.leading.set(name, controller);
    const running = this.waiting.get(name)!(controller.signal).finally(() => this.leading.delete(name));
    this.running.add(running);
  }
}

describe("leading the outbox", () => {
  let mirror: MemoryMirror;
  let election: Election;
  let drain: OutboxDrain;
  let turns: (() => void)[];
  let isAway: boolean;
  const troubles: unknown[] = [];

  beforeEach(() => {
    mirror = createMemoryMirror({ now: () => 1000, partitions: 16 });
    election = new Election();
    turns = [];
    isAway = false;
    drain = startOutboxDrain({
      outbox: {
        ...mirror,
        peek: (...args: Parameters<MemoryMirror["peek"]>) =>
          isAway ? Promise.reject(new StoreUnavailable("away")) : mirror.peek(...args),
      },
      locks: election,
      sleep: (_ms: number, signal?: AbortSignal) =>
        new Promise<void>((resolve) => {
          turns.push(resolve);
          signal?.addEventListener("abort", () => resolve());
        }),
      tickMs: 1,
      graceMs: 1,
      random: () => 0.5,
      clock: createManualClock(0),
      latestServices: () => Promise.resolve(),
      onTrouble: (error: unknown) => troubles.push(error),
    } as unknown as OutboxDrainDeps);
  });
  afterEach(() => drain.stop());

  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("a group's leader claims each of its partitions with a fence above the last", async () => {
    const before = await mirror.claim(3);
    election.grant("mirror-3");
    await settle();
    expect(drain.owned).to.equal(2);
    expect(await mirror.claim(3)).to.equal(before + 2);
    expect(drain.leadsFirst).to.equal(false);
    election.grant("mirror-0");
    await settle();
    expect(drain.owned).to.equal(4);
    expect(drain.leadsFirst).to.equal(true);
  });

  it("the end of the leadership releases its partitions", async () => {
    election.grant("mirror-0");
    await settle();
    election.leading.get("mirror-0")!.abort();
    await settle();
    expect(drain.owned).to.equal(0);
    expect(drain.leadsFirst).to.equal(false);
  });

  it("an unavailable store ends the leadership, so that another node may try", async () => {
    isAway = true;
    election.grant("mirror-1");
    await settle();
    expect(drain.owned).to.equal(0);
    expect(troubles.at(-1)).to.be.instanceOf(StoreUnavailable);
  });
});
