/**
 * How a node ends. Steps run phase by phase in the order of {@link phases}; within a phase side by side.
 * A step that fails is logged and the rest goes on: a half-done shutdown is worse than a noisy one.
 *
 * Signals: the first SIGTERM or SIGINT begins; a repeat counts as "stop hard" only 2 s later, because a
 * terminal or npm delivers one signal several times. SIGINT skips the drain delay: nobody balances over a
 * terminal.
 * SIGHUP reloads the configuration where somebody has asked for it (`onReload`), else it does what it always did.
 */
import type { Clock } from "@sticky-proxy/protocol";
import type { Logger } from "./logger.ts";
import { after, sleep, systemClock } from "./loop.ts";

/** Earlier phases make the node useless to others, later ones take away what the earlier ones still need. */
export const phases = [
  /** Readiness says no; then the drain delay passes. */
  "unready",
  /** New keyed work is refused, answers carry Connection: close, held clients are let go. */
  "refuse",
  /** No new connection. */
  "close-listeners",
  /** The sweeper claims nothing more, leadership is given up. */
  "stop-claiming",
  /** What runs is waited for. */
  "finish",
  /** Leases go back: only now, or a running request would lose its process. */
  "stop-watchdog",
  "release-outbox",
  "flush",
  "close-store",
  /** The ops port answers to the end. */
  "close-ops",
] as const;

export type Phase = (typeof phases)[number];

export interface Lifecycle {
  readonly isDraining: boolean;
  /** Aborts when the shutdown begins. */
  readonly signal: AbortSignal;
  onShutdown(phase: Phase, name: string, step: () => Promise<void> | void): void;
  /** Begins the shutdown, or joins the one under way; resolves when every step has ended. */
  shutdown(reason: string, options?: { readonly skipDelay?: boolean }): Promise<void>;
  /** SIGHUP calls it from now on, instead of ending the process. */
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
  /** Where SIGTERM and SIGINT arrive. */
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
