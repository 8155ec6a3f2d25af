/**
 * What undici does not tell about its connections: whether one carried a request before (the keep-alive race), and the
 * HTTP version of the response (Transfer-Encoding in HTTP/1.0 is faulty framing, RFC 9112 6.1).
 * It also takes out an unasked "100 Continue", which a client must skip (RFC 9110 15.2) and undici takes for an error.
 */
import type { Socket } from "node:net";

import { Client } from "undici";
import type { Dispatcher, buildConnector } from "undici";

/** State of one connection, read by the exchange that runs on it. */
export interface ConnectionWatch {
  /** Requests written to the present socket. */
  requests: number;
  /** A request is out and its final response's head has not come. */
  awaitingHead: boolean;
  /** The response being read says HTTP/1.0. */
  oldVersion: boolean;
}

/** Handlers that want to know their connection. */
export interface WatchesConnection {
  connection: ConnectionWatch | null;
}

const continueLine = Buffer.from("HTTP/1.1 100");
const headEnd = Buffer.from("\r\n\r\n");
const maxInterimBytes = 16_384;

/** An undici Client (one connection) that hands its watch to the handlers it runs. */
export class WatchedClient extends Client {
  readonly #watch: ConnectionWatch;

  constructor(origin: URL | string, options: Client.Options) {
    const watch: ConnectionWatch = { requests: 0, awaitingHead: false, oldVersion: false };
    super(origin, { ...options, connect: watched(options.connect as buildConnector.connector, watch) });
    this.#watch = watch;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    (handler as Partial<WatchesConnection>).connection = this.#watch;
    return super.dispatch(options, handler);
  }
}

function watched(connect: buildConnector.connector, watch: ConnectionWatch): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...result) => {
      // undici's type says null, its code leaves it out when the connection failed.
      const socket = result[1] as Socket | null | undefined;
      if (socket !== null && socket !== undefined) {
        watch.requests = 0;
        watch.awaitingHead = false;
        watchReads(socket, watch);
      }
      callback(...result);
    });
  };
}

function watchReads(socket: Socket, watch: ConnectionWatch): void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  // A "100 Continue" that has not come whole.
  let held: Buffer | null = null;
  socket.read = (size?: number): Buffer | null => {
    for (;;) {
      const chunk = read(size);
      if (chunk === null || (!watch.awaitingHead && held === null)) return chunk;
      let bytes: Buffer = held === null ? chunk : Buffer.concat([held, chunk]);
      held = null;
      let interim = continueLength(bytes);
      while (interim !== null && interim > 0) {
        bytes = bytes.subarray(interim);
        interim = continueLength(bytes);
      }
      if (interim === 0) {
        watch.oldVersion = bytes.toString("latin1", 0, 8) === "HTTP/1.0";
        return bytes;
      }
      if (bytes.length > 0) held = bytes;
    }
  };
}

/** Length of the "100 Continue" head that the bytes begin with; 0: they begin with something else; null: cannot tell yet. */
function continueLength(bytes: Buffer): number | null {
  const seen = Math.min(bytes.length, continueLine.length);
  // "HTTP/1.0 100" is no interim response either side may send; leave it to the parser.
  if (bytes.compare(continueLine, 0, seen, 0, seen) !== 0) return 0;
  if (bytes.length <= continueLine.length) return null;
  const end = bytes.indexOf(headEnd);
  if (end === -1) return bytes.length > maxInterimBytes ? 0 : null;
  return end + headEnd.length;
}
