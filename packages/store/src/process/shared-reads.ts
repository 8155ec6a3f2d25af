/**
 * One command for all who ask for the same process before this turn's promises are done: every client on this node that
 * one notice woke. No reply and no notice can come in between, so who asks second misses nothing.
 */
import type { Fence, Scope } from "@sticky-proxy/protocol";
import type { Snapshot } from "@sticky-proxy/core/process";

/** `epoch` null: whatever process the scope has now. */
export interface ReadPlace {
  readonly partition: number;
  readonly scope: Scope;
  readonly epoch: Fence | null;
}

type Read = (place: ReadPlace, options: { readonly withResult: boolean }) => Promise<Snapshot>;

export function sharedReads(read: Read): Read {
  const asked = new Map<string, Promise<Snapshot>>();
  return (place, options) => {
    const name = `${place.partition}.${place.scope}.${place.epoch}.${options.withResult}`;
    const same = asked.get(name);
    if (same !== undefined) return same;
    const snapshot = read(place, options);
    asked.set(name, snapshot);
    process.nextTick(() => asked.delete(name)); // runs when no promise is left to go on
    return snapshot;
  };
}
