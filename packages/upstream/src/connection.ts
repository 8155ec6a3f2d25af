/**
 * What undici does not report about a connection: whether it carried a request before (the keep-alive race), the
 * HTTP version of the response (Transfer-Encoding in HTTP/1.0 is faulty framing, RFC 9112 6.1), and whether a
 * reset ended the connection (a response delimited by close is then incomplete, RFC 9112 8).
 * It also removes what a recipient must accept and undici refuses: an unsolicited "100 Continue" (RFC 9110 15.2), white
 * space before a colon (RFC 9112 5.1), tabs around a length; and sees a status line that ends in two CRs.
 */
import { tokenCharacters } from "@sticky-proxy/protocol/http";
import type { Socket } from "node:net";

import { Client, type Dispatcher, type buildConnector } from "undici";

/** State of one connection, read by the exchange that runs on it. */
export interface ConnectionWatch {
  /** Number of requests written to the current socket. */
  requests: number;
  /** A request was sent and the head of its final response has not arrived. */
  awaitingHead: boolean;
  /** The current response is HTTP/1.0. */
  oldVersion: boolean;
  /** The current response has another major version than 1, which is invalid on this connection. */
  foreignVersion: boolean;
  /** The current response's status line ends in more than CRLF (RFC 9112 4), which parsers forgive. */
  oddStatusLine: boolean;
  /** The error that ended the connection; null: no error. */
  broken: Error | null;
}

/** A handler that is told its connection. */
export interface WatchesConnection {
  connection: ConnectionWatch | null;
}

/** Bytes of an interim response head that is not complete yet. */
const maxHeldBytes = 16_384;

/** An undici Client (one connection) that passes its state to the handlers it runs. */
export class WatchedClient extends Client {
  readonly #watch: ConnectionWatch;

  constructor(origin: URL | string, options: Client.Options) {
    const watch: ConnectionWatch = {
      requests: 0,
      awaitingHead: false,
      oldVersion: false,
      foreignVersion: false,
      oddStatusLine: false,
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
        // Registered before undici's own listener, which treats a reset as the end of a response delimited by close.
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
      watch.oddStatusLine = rest[rest.indexOf(carriageReturn) + 1] === carriageReturn;
      return withPlainBlanks(rest);
    }
  };
}

const carriageReturn = 0x0d;

const spaceBeforeColon = new RegExp(`(\\r\\n[${tokenCharacters}]+)[ \\t]+:`, "g");

/** The blanks around a length may be tabs (RFC 9110 5.6.3), which the parser refuses. */
const tabbedLength = /(\r\ncontent-length:)[ \t]*(\d+)[ \t]*(?=\r\n|$)/gi;

/**
 * Removes white space before the colon (RFC 9112 5.1) and tabs around a length, which undici refuses. A head in several
 * chunks is left to the parser.
 */
function withPlainBlanks(bytes: Buffer): Buffer {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return bytes;
  const head = bytes.toString("latin1", 0, end);
  const spaced = head.replace(spaceBeforeColon, "$1:");
  const mended = spaced.includes("\t") ? spaced.replace(tabbedLength, "$1 $2") : spaced;
  return mended === head ? bytes : Buffer.concat([Buffer.from(mended, "latin1"), bytes.subarray(end)]);
}

/**
 * Removes the "100 Continue" heads from the interim responses at the start of `bytes`; returns the same buffer when
 * there is none (the usual case). null: the bytes end within a possible "100" head, wait for more.
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
