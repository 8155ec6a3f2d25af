/**
 * What undici does not tell about its connections: whether one carried a request before (the keep-alive race), and the
 * HTTP version of the response (Transfer-Encoding in HTTP/1.0 is faulty framing, RFC 9112 6.1), and whether it was a
 * reset that ended the connection (a response delimited by the close is then incomplete, RFC 9112 8).
 * It also mends what a recipient must take and undici refuses: an unasked "100 Continue" (RFC 9110 15.2), and white
 * space before a colon (RFC 9112 5.1).
 */
import { tokenCharacters } from "@sticky-proxy/protocol/http";
import type { Socket } from "node:net";

import { Client, type Dispatcher, type buildConnector } from "undici";

/** State of one connection, read by the exchange that runs on it. */
export interface ConnectionWatch {
  /** Requests written to the present socket. */
  requests: number;
  /** A request is out and its final response's head has not come. */
  awaitingHead: boolean;
  /** The response being read says HTTP/1.0. */
  oldVersion: boolean;
  /** It says another major version, which no response on this connection can have. */
  foreignVersion: boolean;
  /** The error that ended the connection; null: none did. */
  broken: Error | null;
}

/** Handlers that want to know their connection. */
export interface WatchesConnection {
  connection: ConnectionWatch | null;
}

/** Of interim heads that have not come whole. */
const maxHeldBytes = 16_384;

/** An undici Client (one connection) that hands its watch to the handlers it runs. */
export class WatchedClient extends Client {
  readonly #watch: ConnectionWatch;

  constructor(origin: URL | string, options: Client.Options) {
    const watch: ConnectionWatch = {
      requests: 0,
      awaitingHead: false,
      oldVersion: false,
      foreignVersion: false,
      broken: null,
    };
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
        watch.broken = null;
        // Before undici's own listener, which takes a reset for the end of a response that only the close delimits.
        socket.once("error", (error) => {
          watch.broken = error;
        });
        watchReads(socket, watch);
      }
      callback(...result);
    });
  };
}

function watchReads(socket: Socket, watch: ConnectionWatch): void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  let held: Buffer | null = null;
  socket.read = (size?: number): Buffer | null => {
    for (;;) {
      const chunk = read(size);
      if (chunk === null || (!watch.awaitingHead && held === null)) return chunk;
      const bytes: Buffer = held === null ? chunk : Buffer.concat([held, chunk]);
      held = null;
      const rest = withoutContinue(bytes);
      if (rest === null) {
        held = bytes;
        continue;
      }
      if (rest.length === 0) continue;
      const version = rest.toString("latin1", 0, 8);
      watch.oldVersion = version === "HTTP/1.0";
      watch.foreignVersion = /^HTTP\/[02-9]/.test(version);
      return withoutSpaceBeforeColon(rest);
    }
  };
}

const spaceBeforeColon = new RegExp(`(\\r\\n[${tokenCharacters}]+)[ \\t]+:`, "g");

/** RFC 9112 5.1: removed from a response, where undici gives it up. A head that came in pieces is left to the parser. */
function withoutSpaceBeforeColon(bytes: Buffer): Buffer {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return bytes;
  const head = bytes.toString("latin1", 0, end);
  const mended = head.replace(spaceBeforeColon, "$1:");
  return mended === head ? bytes : Buffer.concat([Buffer.from(mended, "latin1"), bytes.subarray(end)]);
}

/**
 * The bytes without the "100 Continue" heads among the interim responses that they begin with; the same buffer when
 * there is none (the usual case). null: they end where a 100 may be coming, so wait for more.
 */
function withoutContinue(bytes: Buffer): Buffer | null {
  let from = 0;
  let kept: Buffer[] | null = null;
  for (;;) {
    const line = bytes.toString("latin1", from, from + 12);
    const isContinue = line === "HTTP/1.1 100";
    if (!isContinue && !/^HTTP\/1\.1 1[0-9][2-9]$|^HTTP\/1\.1 1[1-9][0-9]$/.test(line)) {
      if (line.length < 12 && "HTTP/1.1 100".startsWith(line) && (line !== "" || from === 0)) return null;
      break;
    }
    const end = bytes.indexOf("\r\n\r\n", from);
    if (end === -1) {
      if (isContinue && bytes.length - from <= maxHeldBytes) return null;
      break;
    }
    if (isContinue) kept ??= [bytes.subarray(0, from)];
    else kept?.push(bytes.subarray(from, end + 4));
    from = end + 4;
  }
  return kept === null ? bytes : Buffer.concat([...kept, bytes.subarray(from)]);
}
