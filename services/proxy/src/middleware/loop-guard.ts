/**
 * Keeps a request from being copied twice by gateways in a row. A marker with a valid signature, seen once, says that
 * the copy has been made; `x-dual-write-executed` says so only from configured peers. Everything else under these
 * names is removed on the way (the header rules do that), so that no client can switch the copying off.
 */
import {
  addressSet,
  type HeaderLine,
  type HeaderList,
  type RequestHead,
  headerLines,
  headerValue,
} from "@sticky-proxy/core/http";
import {
  dualWriteField,
  maxMirrorHops,
  mirrorMarkerField,
  Problem,
  readMirrorMarker,
} from "@sticky-proxy/protocol";
import type { MarkerKeys } from "@sticky-proxy/mirror";

export interface LoopGuard {
  /** null: the request has no copy yet. @throws Problem loop-detected when it passed too many gateways */
  read(received: RequestHead, peer: string): Passed | null;
  /** What both backends get with the request; `head` as it is sent. */
  lines(head: RequestHead, passed: Passed | null): HeaderLine[];
}

/** Somebody before us makes the copy. */
export interface Passed {
  readonly hop: number;
}

export interface LoopGuardOptions {
  readonly keys: MarkerKeys;
  /** CIDR blocks from which `x-dual-write-executed: true` counts. */
  readonly trustedPeers: readonly string[];
  readonly newId: () => string;
  readonly marks: (head: RequestHead, id: string, hop: number) => HeaderLine[];
  /** Epoch ms. */
  readonly wallClock: () => number;
}

/** Ids are remembered for longer than a marker is valid. */
const rememberMs = 660_000;
const maxRemembered = 50_000;
const lowerMarkerField = mirrorMarkerField.toLowerCase();

export function createLoopGuard(options: LoopGuardOptions): LoopGuard {
  const { keys, newId, wallClock } = options;
  const isTrustedPeer = addressSet(options.trustedPeers);
  /** Marker id → when it may be forgotten, oldest first. */
  const seen = new Map<string, number>();

  function isReplay(id: string): boolean {
    const now = wallClock();
    for (const [old, until] of seen) {
      if (until > now && seen.size < maxRemembered) break;
      seen.delete(old);
    }
    if (seen.has(id)) return true;
    seen.set(id, now + rememberMs);
    return false;
  }

  return {
    read(received, peer) {
      const lines = headerLines(received.headers, lowerMarkerField);
      const marker = readMirrorMarker(lines, received, keys.secrets, wallClock());
      if (marker !== null && !isReplay(`${marker.src} ${marker.id}`)) {
        if (marker.hop >= maxMirrorHops) {
          throw new Problem("loop-detected", { detail: "The request passed too many mirroring gateways." });
        }
        return { hop: marker.hop };
      }
      return saysExecuted(received.headers) && isTrustedPeer(peer) ? { hop: 1 } : null;
    },
    lines: (head, passed) => options.marks(head, newId(), passed?.hop ?? 0),
  };
}

function saysExecuted(headers: HeaderList): boolean {
  return headerValue(headers, dualWriteField)?.trim().toLowerCase() === "true";
}
