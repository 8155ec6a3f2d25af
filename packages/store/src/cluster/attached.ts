/**
 * Which replicas have to confirm a write: all that are attached to the primary, one at least. A replica that has left may
 * be the next primary already, while the old one goes on with the others for a second: nothing is confirmed until it is
 * known to be dead, to wait, or to have been away for long. What it is, is asked of it; the decision is here, without I/O.
 */

/** A replica of the primary's INFO. */
export interface AttachedReplica {
  /** "host:port" as the primary knows it. */
  readonly address: string;
  /** false: it has not acknowledged for a while, and is not waited for. */
  readonly isFresh: boolean;
}

/**
 * What a replica that has left says: `primary`: it has been promoted; `elsewhere`: it follows another primary; `waiting`:
 * it has lost its primary and looks for it; `gone`: nobody is there; `silent`: nobody can say.
 */
export type Whereabouts = "primary" | "elsewhere" | "waiting" | "gone" | "silent";

/** Longer without an acknowledgement, in seconds: asleep. They come every second. */
const freshSeconds = 3;
/** How long a replica that cannot be asked may be on its way to become primary, ms. */
const silentMs = 5000;
/** How long another primary may be the next one; after that it is somebody's own, ms. */
const promotedMs = 60_000;

export function attachedReplicas(info: ReadonlyMap<string, string>): readonly AttachedReplica[] {
  const found: AttachedReplica[] = [];
  for (const [name, value] of info) {
    if (!/^slave\d+$/.test(name)) continue;
    const fields = new Map(value.split(",").map((part) => part.split("=") as [string, string]));
    if (fields.get("state") !== "online") continue;
    const address = `${fields.get("ip") ?? ""}:${fields.get("port") ?? ""}`;
    found.push({ address, isFresh: Number(fields.get("lag") ?? Infinity) <= freshSeconds });
  }
  return found;
}

/** The replicas of one primary, over time. */
export class AttachedSet {
  /** When it was first missing, monotonic ms; null: it is attached. */
  readonly #known = new Map<string, number | null>();

  /** Takes note of what the primary says, and returns who has left and has to be asked. */
  saw(replicas: readonly AttachedReplica[], now: number): readonly string[] {
    for (const { address } of replicas) this.#known.set(address, null);
    const attached = new Set(replicas.map(({ address }) => address));
    const left: string[] = [];
    for (const [address, since] of this.#known) {
      if (attached.has(address)) continue;
      this.#known.set(address, since ?? now);
      left.push(address);
    }
    return left;
  }

  /** Why nothing may be confirmed because of this replica; null: it need not be waited for. */
  judge(address: string, is: Whereabouts, now: number): string | null {
    const awayMs = now - (this.#known.get(address) ?? now);
    const limitMs = { primary: promotedMs, elsewhere: promotedMs, silent: silentMs, waiting: 0, gone: 0 }[is];
    if (awayMs < limitMs) return `replica ${address} has left, and is ${is}: a fail-over may be under way`;
    this.#known.delete(address);
    return null;
  }
}
