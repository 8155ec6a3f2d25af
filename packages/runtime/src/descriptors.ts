/**
 * File descriptors, of which a process has only so many. When none is left the system accepts and closes connections
 * without telling Node, those of the ops port too: so the data plane accepts only as many as fit, and a few
 * descriptors are held in reserve, given up while none is left.
 */
import { closeSync, openSync, readdirSync } from "node:fs";
import type { Logger } from "./logger.ts";

/** Kept free of clients, beside what is open at the start: Redis, the ops port, probes, a reload. */
const spare = 64;
/** Held, and given up when the others are used. */
const held = 16;
/** A line for each of these spans in which something was refused. */
const windowMs = 10_000;

/** Descriptors this process may have; null: any number, or the system does not say. */
export function descriptorLimit(): number | null {
  const report = process.report as typeof process.report & { excludeNetwork: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true; // else it asks DNS
  try {
    const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
    const soft = userLimits?.open_files?.soft;
    return typeof soft === "number" && soft > 0 ? soft : null;
  } finally {
    report.excludeNetwork = before;
  }
}

/** Descriptors that are open now; where the system does not tell: about as many as at the start. */
export function openDescriptors(): number {
  try {
    return readdirSync("/dev/fd").length;
  } catch {
    return 40;
  }
}

/**
 * Client connections that fit: each may need a second descriptor towards its service.
 * @param limit null: no limit
 * @param used open already
 * @param wanted 0: any number. @returns 0: any number
 */
export function fittingConnections(wanted: number, limit: number | null, used: number): number {
  if (limit === null) return wanted;
  const fitting = Math.max(1, Math.floor((limit - used - spare - held) / 2));
  return wanted === 0 ? fitting : Math.min(wanted, fitting);
}

export interface DescriptorWatch {
  /** Looks whether one is left; to be called about every second. */
  look(): void;
  /** A connection was closed because there are as many as may be. */
  dropped(): void;
  close(): void;
}

export interface DescriptorWatchOptions {
  readonly log: Pick<Logger, "warn" | "error">;
  readonly monotonic: () => number;
  /** Client connections accepted at once, and whether the descriptors bound them rather than the configuration. */
  readonly accepted: number;
  readonly isBoundByLimit: boolean;
  readonly limit: number | null;
  /** @returns a descriptor. @throws EMFILE, ENFILE */
  readonly open?: () => number;
  readonly shut?: (descriptor: number) => void;
}

export function createDescriptorWatch(options: DescriptorWatchOptions): DescriptorWatch {
  const { log, monotonic, accepted, isBoundByLimit, limit } = options;
  const { open = () => openSync("/dev/null", "r"), shut = closeSync } = options;
  const reserve: number[] = [];
  let drops = 0;
  let toldDropsAt = Number.NEGATIVE_INFINITY;
  let toldUsedUpAt = Number.NEGATIVE_INFINITY;

  function tellDrops(): void {
    if (drops === 0 || monotonic() - toldDropsAt < windowMs) return;
    toldDropsAt = monotonic();
    const fields = { connections: drops, accepted, descriptors: limit };
    if (isBoundByLimit) log.error("descriptors.connections-dropped", { ...fields, cure: "raise ulimit -n" });
    else log.warn("listener.connections-dropped", { ...fields, cure: "limits.maxConnections" });
    drops = 0;
  }

  function fill(): void {
    while (reserve.length < held) reserve.push(open());
  }

  function giveUp(err: unknown): void {
    for (const descriptor of reserve.splice(0)) shut(descriptor);
    if (monotonic() - toldUsedUpAt < windowMs) return;
    toldUsedUpAt = monotonic();
    log.error("descriptors.used-up", { err, limit, cure: "raise ulimit -n or lower limits.maxConnections" });
  }

  return {
    look() {
      tellDrops();
      try {
        shut(open());
        fill();
      } catch (err) {
        giveUp(err);
      }
    },
    dropped() {
      drops += 1;
      tellDrops();
    },
    close() {
      for (const descriptor of reserve.splice(0)) shut(descriptor);
    },
  };
}
