/**
 * Equal requests of one caller under different keys within seconds: most likely a client library that makes a new key
 * for each attempt, whose retries all run. Nothing is refused, since two equal orders may be meant; it is only told.
 *
 * Each replica sees the requests that reach it, and remembers a bounded number.
 */
import type { Scope } from "@sticky-proxy/protocol";

export const otherKeyWindowMs = 10_000;
const maxRemembered = 10_000;

export interface KeyedStart {
  readonly service: string;
  readonly fingerprint: string;
  readonly credential: string;
  readonly scope: Scope;
  readonly processId: string;
}

export interface OtherKeys {
  /** Told of each process that a key has started; the process of the last equal request under another key, null: none lately. */
  note(start: KeyedStart): string | null;
}

/** @param monotonic ms */
export function createOtherKeys(monotonic: () => number): OtherKeys {
  const lately = new Map<
    string,
    { readonly at: number; readonly scope: Scope; readonly processId: string }
  >();
  return {
    note({ service, fingerprint, credential, scope, processId }) {
      const request = `${service} ${credential} ${fingerprint}`; // none of them holds a space
      const at = monotonic();
      const earlier = lately.get(request);
      lately.delete(request); // to the end of the order, which is the order of forgetting
      lately.set(request, { at, scope, processId });
      if (lately.size > maxRemembered) lately.delete(lately.keys().next().value!);
      const isOther = earlier !== undefined && earlier.scope !== scope && at - earlier.at < otherKeyWindowMs;
      return isOther ? earlier.processId : null;
    },
  };
}
