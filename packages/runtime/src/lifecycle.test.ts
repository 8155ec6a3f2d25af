import { asMonotonicMs } from "@sticky-proxy/protocol";
import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
import { expect } from "chai";
import { createLifecycle, phases, type LifecycleOptions } from "./lifecycle.ts";
import { createLogger } from "./logger.ts";

const silent = createLogger({
  level: "error",
  stream: new Writable({ write: (_chunk, _encoding, done) => done() }),
});

function setUp(options: Partial<LifecycleOptions> = {}) {
  const signals = new EventEmitter();
  const exits: number[] = [];
  const { promise: exited, resolve } = Promise.withResolvers<number>();
  const exit = (code: number): void => {
    exits.push(code);
    resolve(code);
  };
  const lifecycle = createLifecycle({
    logger: silent,
    drainDelayMs: 0,
    hardMs: 5000,
    exit,
    signals,
    ...options,
  });
  return { lifecycle, signals, exits, exited };
}

describe("lifecycle", () => {
  it("SIGTERM runs the phases in order, whatever the order of registration, and exits with 0", async () => {
    const { lifecycle, signals, exited } = setUp();
    const order: string[] = [];
    for (const phase of phases.toReversed()) lifecycle.onShutdown(phase, phase, () => void order.push(phase));
    expect(lifecycle.isDraining).to.equal(false);
    signals.emit("SIGTERM");
    expect(lifecycle.isDraining).to.equal(true);
    expect(lifecycle.signal.aborted).to.equal(true);
    expect(await exited).to.equal(0);
    expect(order).to.deep.equal([...phases]);
  });

  it("the watchdog stops after running requests have ended, and the store closes after the watchdog", () => {
    const at = (phase: (typeof phases)[number]): number => phases.indexOf(phase);
    expect(at("finish")).to.be.lessThan(at("stop-watchdog"));
    expect(at("stop-watchdog")).to.be.lessThan(at("close-store"));
  });

  it("steps of one phase run concurrently", async () => {
    const { lifecycle } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    lifecycle.onShutdown("finish", "waits for the other", () => promise);
    lifecycle.onShutdown("finish", "frees it", resolve);
    await lifecycle.shutdown("test");
  });

  it("a failed step does not prevent the others", async () => {
    const { lifecycle } = setUp();
    let isClosed = false;
    lifecycle.onShutdown("finish", "fails", () => Promise.reject(new Error("no")));
    lifecycle.onShutdown("close-store", "closes", () => void (isClosed = true));
    await lifecycle.shutdown("test");
    expect(isClosed).to.equal(true);
  });

  it("exits with 1 when a step hangs beyond the hard limit", async () => {
    const { lifecycle, signals, exited } = setUp({ hardMs: 10 });
    lifecycle.onShutdown("finish", "hangs", () => new Promise(() => undefined));
    signals.emit("SIGTERM");
    expect(await exited).to.equal(1);
  });

  it("a repeated signal counts only 2 s after the first", async () => {
    let now = 0;
    const { lifecycle, signals, exits, exited } = setUp({ clock: { monotonic: () => asMonotonicMs(now) } });
    const { promise, resolve } = Promise.withResolvers<void>();
    lifecycle.onShutdown("finish", "takes long", () => promise);
    signals.emit("SIGINT");
    now = 1999;
    signals.emit("SIGINT");
    signals.emit("SIGTERM");
    expect(exits).to.deep.equal([]);
    now = 2000;
    signals.emit("SIGINT");
    expect(await exited).to.equal(1);
    resolve();
  });

  it("SIGTERM waits for the drain delay between unready and refuse, SIGINT skips it", async () => {
    for (const [name, expected] of [
      ["SIGTERM", ["unready", "waited 5000", "refuse"]],
      ["SIGINT", ["unready", "refuse"]],
    ] as const) {
      const order: string[] = [];
      const wait = (ms: number): Promise<void> => Promise.resolve(void order.push(`waited ${ms}`));
      const { lifecycle, signals, exited } = setUp({ drainDelayMs: 5000, wait });
      lifecycle.onShutdown("refuse", "refuse", () => void order.push("refuse"));
      lifecycle.onShutdown("unready", "unready", () => void order.push("unready"));
      signals.emit(name);
      expect(await exited).to.equal(0);
      expect(order).to.deep.equal(expected);
    }
  });

  it("a second call of shutdown waits for the first", async () => {
    const { lifecycle } = setUp();
    let runs = 0;
    lifecycle.onShutdown("finish", "once", () => void (runs += 1));
    await Promise.all([lifecycle.shutdown("a"), lifecycle.shutdown("b")]);
    expect(runs).to.equal(1);
  });

  it("SIGHUP reloads the configuration and does not end the process", () => {
    const { lifecycle, signals } = setUp();
    let reloads = 0;
    lifecycle.onReload(() => (reloads += 1));
    signals.emit("SIGHUP");
    signals.emit("SIGHUP");
    expect([reloads, lifecycle.isDraining]).to.deep.equal([2, false]);
  });

  it("dispose removes every signal listener", () => {
    const { lifecycle, signals } = setUp();
    lifecycle.onReload(() => undefined);
    lifecycle.dispose();
    expect(signals.eventNames()).to.deep.equal([]);
  });
});
