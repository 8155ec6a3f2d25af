/**
 * PROXY protocol headers: read before anything else of a connection, from peers that are named to send them and from
 * nobody else. Such a peer must send one; what it says is never guessed from the bytes.
 */
import { addressSet, readProxyHeader, type ProxiedSource } from "@sticky-proxy/core/http";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

export interface ProxiedSources {
  /** Whose connection it is; null: the peer's own. */
  of(socket: Socket): ProxiedSource | null;
  /** Puts itself before all listeners to the server's connections: they get one when its header is read. */
  readBefore(server: Server): void;
  /** Closes the connections whose header is still awaited. */
  close(): void;
}

export interface ProxiedSourcesOptions {
  /** CIDR blocks of those that send headers. */
  readonly peers: readonly string[];
  /** For the whole header. */
  readonly timeoutMs: number;
  /** The connection is refused; the callee answers or destroys it. */
  readonly onRefused: (socket: Socket, reason: string) => void;
}

export function createProxiedSources({ peers, timeoutMs, onRefused }: ProxiedSourcesOptions): ProxiedSources {
  const isNamed = addressSet(peers);
  const sources = new WeakMap<Socket, ProxiedSource | null>();
  /** For TLS, whose sockets do not show the one that they wrap: by both ends' addresses, until the handshake is done. */
  const unwrapped = new Map<string, { readonly source: ProxiedSource }>();
  const awaited = new Set<Socket>();

  function keep(socket: Socket, source: ProxiedSource): void {
    sources.set(socket, source);
    const ends = endsOf(socket);
    const entry = { source };
    unwrapped.set(ends, entry);
    socket.once("close", () => {
      if (unwrapped.get(ends) === entry) unwrapped.delete(ends);
    });
  }

  function read(socket: Socket, goOn: () => void): void {
    let bytes: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => refuse("it does not come in time"), timeoutMs);
    const stop = (): void => {
      clearTimeout(timer);
      awaited.delete(socket);
      socket.off("data", take).off("end", leave).off("error", leave).off("close", stop);
    };
    const leave = (): void => {
      stop();
      socket.destroy();
    };
    const refuse = (reason: string): void => {
      stop();
      onRefused(socket, reason);
    };
    const take = (chunk: Buffer): void => {
      bytes = bytes.byteLength === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const header = readProxyHeader(bytes);
      if (header.kind === "incomplete") return;
      if (header.kind === "invalid") {
        refuse(header.reason);
        return;
      }
      stop();
      socket.pause();
      if (header.source !== null) keep(socket, header.source);
      if (bytes.byteLength > header.length) socket.unshift(bytes.subarray(header.length));
      goOn();
      // What TLS wraps is read by the wrapper.
      if (socket.listenerCount("data") > 0) socket.resume();
    };
    awaited.add(socket);
    socket.on("data", take).on("end", leave).on("error", leave).on("close", stop);
  }

  return {
    of: (socket) => sources.get(socket) ?? null,
    readBefore(server) {
      const listeners = server.listeners("connection") as ((socket: Socket) => void)[];
      server.removeAllListeners("connection");
      server.on("connection", (socket: Socket) => {
        const goOn = (): void => {
          for (const listener of listeners) listener.call(server, socket);
        };
        if (isNamed(socket.remoteAddress ?? "")) read(socket, goOn);
        else goOn();
      });
      server.on("secureConnection", (socket: TLSSocket) => {
        const ends = endsOf(socket);
        const found = unwrapped.get(ends);
        if (found === undefined) return;
        sources.set(socket, found.source);
        unwrapped.delete(ends);
      });
    },
    close() {
      for (const socket of awaited) socket.destroy();
    },
  };
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(" ");
}
