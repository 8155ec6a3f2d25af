/** Limits of the listener's connections: their number per address, and the requests per connection. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

import type { Limits } from "@sticky-proxy/runtime";

import { watchHalfClosed } from "./half-closed.ts";
import type { Pipelines } from "./pipeline.ts";

export interface Connections {
  /** Refuses a connection above the limit of its address. */
  accept(socket: Socket, address: string): void;
  /** Watches for a client that closes its side. */
  watch(socket: Socket): void;
  /** Closes the connection after this response where it may carry no further request. */
  countRequest(request: IncomingMessage, response: ServerResponse): void;
}

type ConnectionLimits = Pick<Limits, "maxConnectionsPerAddress" | "maxRequestsPerSocket">;

/** Limits of 0 mean no limit. */
export function createConnections(limits: ConnectionLimits, pipelines: Pipelines): Connections {
  const requestCounts = new WeakMap<Socket, number>();
  const perAddress = new Map<string, number>();

  /** @returns false: the address has reached its limit */
  function enter(socket: Socket, address: string): boolean {
    const open = (perAddress.get(address) ?? 0) + 1;
    if (limits.maxConnectionsPerAddress > 0 && open > limits.maxConnectionsPerAddress) return false;
    perAddress.set(address, open);
    socket.once("close", () => {
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left === 0) perAddress.delete(address);
      else perAddress.set(address, left);
    });
    return true;
  }

  return {
    accept(socket, address) {
      if (!enter(socket, address)) socket.destroy();
    },
    watch(socket) {
      if (socket.destroyed) return;
      socket.once("end", () => {
        const last = pipelines.last(socket);
        if (last === null) return;
        if (!last.headersSent) last.shouldKeepAlive = false;
        watchHalfClosed(socket, () => pipelines.current(socket));
      });
    },
    countRequest(request, response) {
      const { socket, httpVersion } = request;
      const count = (requestCounts.get(socket) ?? 0) + 1;
      requestCounts.set(socket, count);
      // Node's maxRequestsPerSocket sends "Connection: close" but keeps the connection open and responds 503 on it.
      const isLast = limits.maxRequestsPerSocket > 0 && count >= limits.maxRequestsPerSocket;
      // RFC 9112 9.3: an intermediary keeps no persistent connection with an HTTP/1.0 client.
      if (isLast || httpVersion === "1.0") response.shouldKeepAlive = false;
    },
  };
}
