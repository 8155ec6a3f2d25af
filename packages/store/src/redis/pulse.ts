/**
 * A connection whose packets are dropped (NAT, a frozen host, a moved address) breaks no socket: TCP goes on for a
 * quarter of an hour. So one that has been quiet is pinged, and one that stays silent for a whole command's time is
 * destroyed; the client then connects anew, by name. Everything counts that comes in, so a busy connection is never pinged.
 */
import { Cluster, type Redis } from "ioredis";
import type { Socket } from "node:net";

export interface PulseOptions {
  /** Silence after which an open connection is dead: the time of one command. */
  readonly silenceMs: number;
  readonly monotonic: () => number;
  /** In Node's time: a check in the same turn would not see what came in while this process was busy. */
  readonly afterReading: (check: () => void) => void;
  /** Told before the socket is destroyed. */
  readonly onDead: (ms: number) => void;
}

/** What is looked at. `pending`: something was asked of the server, be it by connecting. */
interface Watched {
  readonly socket: Pick<Socket, "bytesRead" | "destroyed" | "destroy">;
  readonly ask: () => void;
  /** It is answered by commands; else it is still being set up, which asks by itself. */
  readonly isReady: boolean;
}

/** `look` is to be called several times within `silenceMs`; null: there is no socket now. */
export function createPulse(options: PulseOptions): { look(watched: Watched | null): void } {
  const { silenceMs, monotonic, afterReading, onDead } = options;
  let socket: Watched["socket"] | null = null;
  let bytes = 0;
  let askedAt: number | null = null;

  return {
    look(watched) {
      if (watched === null || watched.socket.destroyed) {
        socket = null;
        return;
      }
      const now = monotonic();
      if (watched.socket !== socket || watched.socket.bytesRead !== bytes) {
        ({ socket } = watched);
        bytes = socket.bytesRead;
        askedAt = watched.isReady ? null : now;
        return;
      }
      if (askedAt === null) {
        askedAt = now;
        if (watched.isReady) watched.ask();
        return;
      }
      const silentMs = now - askedAt;
      if (silentMs < silenceMs) return;
      const suspect = watched.socket;
      afterReading(() => {
        if (suspect.destroyed || suspect.bytesRead !== bytes || suspect !== socket) return;
        onDead(silentMs);
        suspect.destroy();
      });
    },
  };
}

/** Keeps a connection's pulse until it ends; a Cluster's nodes each have their own. */
export function keepPulse(
  connection: Redis | Cluster,
  silenceMs: number,
  onDead: (node: Redis, ms: number) => void,
): void {
  if (connection instanceof Cluster) {
    connection.on("+node", (node: Redis) => keepPulse(node, silenceMs, onDead));
    return;
  }
  const pulse = createPulse({
    silenceMs,
    monotonic: () => performance.now(),
    afterReading: setImmediate,
    onDead: (ms) => onDead(connection, ms),
  });
  const timer = setInterval(() => {
    const { status } = connection;
    if (status === "end") return clearInterval(timer);
    const socket = connection.stream as Socket | undefined;
    pulse.look(
      socket === undefined || socket.connecting // connecting has its own limit
        ? null
        : { socket, isReady: status === "ready", ask: () => void connection.ping().catch(() => {}) },
    );
  }, silenceMs / 3);
  timer.unref();
}
