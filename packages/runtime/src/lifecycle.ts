/**
 * Shutdown of a node. Steps run phase by phase in the order of {@link phases}; steps of one phase run concurrently.
 * A failed step is logged and the others still run.
 *
 * Signals: the first SIGTERM or SIGINT starts the shutdown; a repeat stops hard only 2 s later, because a
 * terminal or npm delivers one signal several times. SIGINT skips the drain delay: no balancer sends requests to a process in a
 * terminal.
 * SIGHUP reloads the configuration after `onReload` was called, else it keeps its default effect.
 */
import type { Clock } from "@sticky-proxy/protocol";
import type { Logger } from "./logger.ts";
import { after, sleep, systemClock } from "./loop.ts";

/** Early phases stop new work, later ones close what running work needs. */
export const phases = [
  /** /readyz fails; then the drain delay. */
  "unready",
  /** New keyed work is refused, responses carry Connection: close, waiting clients are released. */
  "refuse",
  /** No new connection. */
  "close-listeners",
  /** The sweeper claims no more alarms, leadership is released. */
  "stop-claiming",
  /** Waits for running requests and calls. */
  "finish",
  /** Releases the leases: only now, because a running request would lose its process. */
  "stop-watchdog",
  "release-outbox",
  "flush",
  "close-store",
  /** The ops port responds until the end. */
  "close-ops",
] as const;

export type Phase = (typeof phases)[number];

export interface Lifecycle {
  readonly isDraining: boolean;
  /** Aborts when the shutdown starts. */
  readonly signal: AbortSignal;
  onShutdown(phase: Phase, name: string, step: () => Promise<void> | void): void;
  /** Starts the shutdown, or joins the running one; resolves when every step has ended. */
  shutdown(reason: string, options?: { readonly skipDelay?: boolean }): Promise<void>;
  /** From now on SIGHUP calls `reload` instead of ending the process. */
  onReload(task: () => void): void;
  /** Stops listening to signals. */
  dispose(): void;
}

export interface LifecycleOptions {
  readonly logger: Logger;
  readonly drainDelayMs: number;
  readonly hardMs: number;
  /** Ends the process. */
  readonly exit: (code: number) => void;
  /** Source of SIGTERM and SIGINT. */
  readonly signals: Pick<NodeJS.EventEmitter, "on" | "off">;
  readonly clock?: Pick<Clock, "monotonic">;
  readonly wait?: (ms: number) => Promise<void>;
}

const repeatAfterMs = 2000;

export function createLifecycle(options: LifecycleOptions): Lifecycle {
  const { logger, drainDelayMs, hardMs, exit, signals, clock = systemClock, wait = sleep } = options;
  const steps = new Map<Phase, { name: string; step: () => Promise<void> | void }[]>();
  const controller = new AbortController();
  const reloads: (() => void)[] = [];
  let ending: Promise<void> | null = null;
  let firstSignalAt: number | null = null;

  async function runPhase(phase: Phase): Promise<void> {
    await Promise.all(
      (steps.get(phase) ?? []).map(async ({ name, step }) => {
        const startedAt = clock.monotonic();
        try {
          await step();
          logger.debug("shutdown.step", {
            phase,
            step: name,
            durationMs: Math.round(clock.monotonic() - startedAt),
          });
        } catch (err) {
          logger.error("shutdown.step-failed", { phase, step: name, err });
        }
      }),
    );
  }

  async function end(reason: string, delayMs: number): Promise<void> {
    const startedAt = clock.monotonic();
    const cancelHardStop = after(hardMs, () => {
      logger.error("shutdown.hard", { reason, hardMs });
      exit(1);
    });
    logger.info("shutdown.begun", { reason });
    controller.abort();
    for (const phase of phases) {
      await runPhase(phase);
      if (phase === "unready" && delayMs > 0) await wait(delayMs);
    }
    cancelHardStop();
    logger.info("shutdown.done", { reason, durationMs: Math.round(clock.monotonic() - startedAt) });
  }

  const lifecycle: Lifecycle = {
    get isDraining() {
      return ending !== null;
    },
    signal: controller.signal,
    onShutdown(phase, name, step) {
      steps.set(phase, [...(steps.get(phase) ?? []), { name, step }]);
    },
    shutdown(reason, { skipDelay = false } = {}) {
      ending ??= end(reason, skipDelay ? 0 : drainDelayMs);
      return ending;
    },
    onReload(task) {
      signals.on("SIGHUP", task);
      reloads.push(task);
    },
    dispose() {
      for (const task of reloads) signals.off("SIGHUP", task);
      signals.off("SIGTERM", onTerminate);
      signals.off("SIGINT", onInterrupt);
    },
  };

  function onSignal(name: string, skipDelay: boolean): void {
    if (firstSignalAt !== null) {
      if (clock.monotonic() - firstSignalAt >= repeatAfterMs) {
        logger.error("shutdown.second-signal", { signal: name });
        exit(1);
      }
      return;
    }
    firstSignalAt = clock.monotonic();
    void lifecycle.shutdown(name, { skipDelay }).then(() => exit(0));
  }
  const onTerminate = (): void => onSignal("SIGTERM", false);
  const onInterrupt = (): void => onSignal("SIGINT", true);
  signals.on("SIGTERM", onTerminate);
  signals.on("SIGINT", onInterrupt);
  return lifecycle;
}
