/**
 * The requests of one connection, in order. Node emits each request as soon as it has read it, while earlier
 * ones are still running, and sends the responses in order.
 *
 * L1 Safe requests without content may run concurrently; any other starts when all before it have ended, and
 *    the next one starts after it (RFC 9112 9.3.2).
 * L2 No request starts after one whose response closes the connection (RFC 9112 9.6): `shouldKeepAlive` is false as soon as
 *    that is known.
 * L3 Of a client that pipelines many requests without reading responses only a limited number starts, and its socket is
 *    paused until some have ended. A closed connection is noticed at the next write.
 */
import { isSafe } from "@sticky-proxy/protocol/http";
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Largest number of running requests per connection; more are queued only when they arrived in the same packet. */
const maxUnanswered = 64;

interface Line {
  /** In order: running requests, then queued ones. */
  readonly responses: ServerResponse[];
  readonly waiting: (() => void)[];
  /** The socket will be paused. */
  isPausing: boolean;
  /** L2: a response has closed the connection. */
  isClosed: boolean;
}

export interface Pipelines {
  /** Calls `run` in the request's turn, at once where it is the first; never when the connection closes before. */
  enter(socket: Duplex, response: ServerResponse, run: () => void): void;
  /** The response that is being written or is next; null: none is due. */
  current(socket: Duplex): ServerResponse | null;
  /** The last response that is due; null: none. */
  last(socket: Duplex): ServerResponse | null;
}

export function createPipelines(): Pipelines {
  const lines = new WeakMap<Duplex, Line>();

  function enter(socket: Duplex, response: ServerResponse, run: () => void): void {
    let line = lines.get(socket);
    if (line === undefined)
      lines.set(socket, (line = { responses: [], waiting: [], isPausing: false, isClosed: false }));
    response.once("close", () => leave(socket, line, response));
    line.responses.push(response);
    if (line.isClosed) return;
    if (line.responses.length === 1) {
      run();
      return;
    }
    line.waiting.push(run);
    if (line.responses.length > maxUnanswered) pauseSoon(socket, line);
    advance(line);
  }

  /** L3: pauses after the whole packet, because Node resumes the socket after each request in it. */
  function pauseSoon(socket: Duplex, line: Line): void {
    if (line.isPausing) return;
    line.isPausing = true;
    queueMicrotask(() => {
      line.isPausing = false;
      if (line.responses.length > maxUnanswered) socket.pause();
    });
  }

  function leave(socket: Duplex, line: Line, response: ServerResponse): void {
    line.responses.splice(line.responses.indexOf(response), 1);
    if (socket.destroyed || !response.shouldKeepAlive) {
      line.isClosed = true;
      line.waiting.length = 0;
      return;
    }
    if (line.responses.length === maxUnanswered) socket.resume();
    advance(line);
  }

  return {
    enter,
    current: (socket) => lines.get(socket)?.responses.find(isDue) ?? null,
    last: (socket) => lines.get(socket)?.responses.findLast(isDue) ?? null,
  };
}

function advance({ responses, waiting }: Line): void {
  while (waiting.length > 0) {
    const begun = responses.length - waiting.length;
    if (begun >= maxUnanswered) return;
    const isNextAlone = runsAlone(responses[begun]!);
    for (const before of responses.slice(0, begun)) {
      if (!before.shouldKeepAlive || (isDue(before) && (isNextAlone || runsAlone(before)))) return;
    }
    waiting.shift()!();
  }
}

function runsAlone({ req: { method, headers } }: ServerResponse): boolean {
  if (!isSafe(method ?? "")) return true;
  return headers["transfer-encoding"] !== undefined || headers["content-length"] !== undefined;
}

function isDue(response: ServerResponse): boolean {
  return !response.writableFinished && !response.destroyed;
}
