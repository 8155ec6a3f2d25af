/**
 * The requests of one connection, in their order. Node hands over each request as soon as it has read it, while earlier
 * ones are still being answered, and sends the responses in order.
 *
 * L1 Safe requests without content may run side by side; any other begins after all before it have been answered, and
 *    whatever follows begins after it (RFC 9112 9.3.2).
 * L2 After one whose answer closes the connection none begins (RFC 9112 9.6): `shouldKeepAlive` is false as soon as
 *    that is known.
 * L3 A client that sends many requests without reading responses has only so many of them begun, and is not read from
 *    until some are answered. Whether it is still there shows when something is written.
 */
import { isSafe } from "@sticky-proxy/protocol/http";
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Requests of one connection that are begun and unanswered; more wait only where they came in the same packet. */
const maxUnanswered = 64;

interface Line {
  /** In order: those that run, then those that wait for their turn. */
  readonly responses: ServerResponse[];
  readonly waiting: (() => void)[];
  /** It is about to be paused. */
  isPausing: boolean;
  /** L2: an answer has closed it. */
  isClosed: boolean;
}

export interface Pipelines {
  /** Calls `run` in the request's turn, at once where none is before it; never when its connection ends before. */
  enter(socket: Duplex, response: ServerResponse, run: () => void): void;
  /** The response that is being written or comes next; null: none is due. */
  current(socket: Duplex): ServerResponse | null;
  /** The last response that is still to be written; null: none is due. */
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

  /** L3, when the packet has been read to its end: Node resumes the socket after each request in it. */
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
