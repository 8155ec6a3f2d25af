/**
 * Which server a connection reaches, looked at before it takes its first command: it has to be a primary, and the same
 * one as the node's other connections. After a fail-over behind one name an older connection may still lead to the old
 * primary; what was written there would be lost, and what is read there is old.
 */
import { CodedError } from "@sticky-proxy/protocol";
import { Redis, type RedisOptions } from "ioredis";
import type { Socket } from "node:net";

/** The address leads to a server that must not be written to. */
export class WrongServer extends CodedError {
  override readonly name = "WrongServer";
  override readonly code = "WRONG_SERVER";
}

/** The connections of one node to one place. */
export interface OneServer {
  /** null: it may be used; else why not. Those that reach another server than this one are let go. */
  check(connection: Leavable, info: ServerInfo): string | null;
}

/** Fields of INFO; some servers tell fewer. */
interface ServerInfo {
  readonly role?: string;
  readonly run_id?: string;
}

interface Leavable {
  leave(): void;
}

export function createOneServer(): OneServer {
  const servers = new Map<Leavable, string>();
  return {
    check(connection, { role, run_id: server }) {
      servers.delete(connection);
      if (role !== undefined && role !== "master") return `the server is a ${role}, not a primary`;
      if (server === undefined) return null;
      servers.set(connection, server);
      // The newest connection was made by today's name; an older one to another server leads to yesterday's.
      for (const [other, its] of servers) {
        if (its === server) continue;
        servers.delete(other);
        other.leave();
      }
      return null;
    },
  };
}

/**
 * A client that asks `OneServer` at each connection, and writes once per turn: what one turn of the event loop asks for
 * goes out in one system call, since under load many processes start and end in the same turn, and the server syncs its
 * log once for all of them.
 */
export class PrimaryConnection extends Redis {
  /** @param place a path or URL; null: the options name it */
  constructor(place: string | null, options: RedisOptions, oneServer: OneServer) {
    super(...((place === null ? [options] : [place, options]) as [string, RedisOptions]));
    // The client asks its connector about INFO before it is ready, as it does for Sentinel; the types hide it.
    const { connector } = this as unknown as { connector: { check(info: ServerInfo): boolean } };
    const usual = connector.check.bind(connector);
    connector.check = (info) => {
      if (!usual(info)) return false;
      const why = oneServer.check(this, info);
      if (why !== null) this.emit("error", new WrongServer(why));
      return why === null;
    };
  }

  /** Breaks the connection at once; the client connects again by itself. */
  leave(): void {
    this.stream.destroy();
  }

  override sendCommand(...[command, stream]: Parameters<Redis["sendCommand"]>): unknown {
    const socket = this.stream as Socket | undefined; // none before the first connection
    if (socket !== undefined && socket.writableCorked === 0) {
      socket.cork();
      setImmediate(() => socket.uncork());
    }
    return super.sendCommand(command, stream);
  }
}
