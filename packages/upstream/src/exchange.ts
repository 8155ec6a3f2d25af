/**
 * One request on one connection: turns undici's handler callbacks into a response head and a body stream with backpressure.
 * Settles exactly once, with the response head or with the failure; a later error destroys the body.
 */
import type { ProxyErrorType } from "@sticky-proxy/protocol";
import { Readable, type Duplex } from "node:stream";

import { headerJoined, responseFault, type HeaderLine, type HeaderList } from "@sticky-proxy/core/http";
import type { Dispatcher } from "undici";

import type { ConnectionWatch, WatchesConnection } from "./connection.ts";
import { failedBy, failedWith, UpstreamBodyError, type Failed } from "./outcome.ts";

/** Largest number of header lines of a response. */
const maxResponseLines = 256;
const bodyBufferBytes = 65_536;
/** Largest number of interim responses: each restarts the first-byte timeout. */
const maxInterim = 256;

export interface ResponseStart {
  readonly kind: "started";
  readonly status: number;
  readonly httpVersion: "1.0" | "1.1";
  readonly headers: HeaderList;
  readonly body: ResponseBody;
}

/** `unanswered`: no byte of a response arrived. `reused`: the connection had carried a request before. */
export interface ExchangeFailed {
  readonly kind: "failed";
  readonly failed: Failed;
  readonly unanswered: boolean;
  readonly reused: boolean;
}

export class ResponseBody extends Readable {
  trailers: HeaderList = [];
  #controller: Dispatcher.DispatchController;
  #ended = false;

  constructor(controller: Dispatcher.DispatchController) {
    super({ highWaterMark: bodyBufferBytes });
    this.#controller = controller;
  }

  accept(chunk: Buffer): void {
    if (!this.push(chunk)) this.#controller.pause();
  }

  finish(trailers: HeaderList): void {
    this.#ended = true;
    this.trailers = trailers;
    this.push(null);
  }

  break(failed: Failed): void {
    this.#ended = true;
    this.destroy(new UpstreamBodyError(failed));
  }

  override _read(): void {
    this.#controller.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // The body was not read to its end, so the connection cannot be reused.
    if (!this.#ended) {
      this.#ended = true;
      this.#controller.abort(error ?? new Error("the response body is not wanted"));
    }
    callback(error);
  }
}

/** The service switched to the requested protocol; the caller now owns the connection. */
export interface Switched {
  readonly kind: "switched";
  readonly headers: HeaderList;
  readonly socket: Duplex;
}

export type ExchangeResult = ResponseStart | Switched | ExchangeFailed;

export interface ExchangeEvents {
  onInformational: ((status: number, headers: HeaderList) => void) | null;
  /** The requested upgrade protocol; null: no upgrade. */
  upgrade: string | null;
}

export class Exchange implements Dispatcher.DispatchHandler, WatchesConnection {
  connection: ConnectionWatch | null = null;
  readonly result: Promise<ExchangeResult>;
  #settle!: (result: ExchangeResult) => void;
  #settled = false;
  #sent = false;
  #answered = false;
  #reused = false;
  #interim = 0;
  #controller: Dispatcher.DispatchController | null = null;
  #body: ResponseBody | null = null;
  #abortReason: Error | null = null;
  readonly #events: ExchangeEvents;

  constructor(events: ExchangeEvents) {
    this.#events = events;
    this.result = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Aborts the exchange; a queued or running request is dropped together with its connection. */
  abort(reason: Error): void {
    this.#abortReason = reason;
    this.#fail(
      failedWith("execution-lost", "proxy_internal_response", "The request was given up.", {
        executed: this.#sent ? "unknown" : "no",
        aborted: true,
      }),
    );
    this.#controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#abortReason !== null) {
      controller.abort(this.#abortReason);
      return;
    }
    this.#sent = true;
    const { connection } = this;
    if (connection !== null) {
      this.#reused = connection.requests > 0;
      connection.requests += 1;
      connection.awaitingHead = true;
    }
  }

  onResponseStarted(): void {
    this.#answered = true;
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    socket: Duplex,
  ): void {
    if (this.connection !== null) this.connection.awaitingHead = false;
    const headers = linesOf(controller.rawHeaders as Buffer[]);
    const to = headerJoined(headers, "upgrade")?.toLowerCase();
    if (
      status !== 101 ||
      to !== this.#events.upgrade ||
      this.#settled ||
      responseFault(status, headers) !== null
    ) {
      socket.destroy();
      this.#refuse("http_upgrade_failed", "The service switched to a protocol that it was not asked for.");
      return;
    }
    this.#settled = true;
    this.#settle({ kind: "switched", headers, socket });
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    const headers = linesOf(controller.rawHeaders as Buffer[]);
    if (status >= 100 && status < 200) {
      this.#interim += 1;
      if (this.#interim > maxInterim) {
        const detail = "The service sends interim responses without an end.";
        this.#refuse("http_protocol_error", detail);
        controller.abort(new Error(detail));
        return;
      }
      if (responseFault(status, headers) === null) this.#events.onInformational?.(status, headers);
      return;
    }
    const { connection } = this;
    if (connection !== null) connection.awaitingHead = false;
    const oldVersion = connection?.oldVersion ?? false;
    const fault = this.#faultOf(status, headers, oldVersion);
    if (fault !== null) {
      this.#refuse(fault[0], fault[1]);
      controller.abort(new Error(fault[1]));
      return;
    }
    if (this.#settled) return;
    this.#settled = true;
    this.#body = new ResponseBody(controller);
    this.#settle({
      kind: "started",
      status,
      httpVersion: oldVersion ? "1.0" : "1.1",
      headers,
      body: this.#body,
    });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.accept(chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const broken = this.connection?.broken ?? null;
    if (broken !== null) {
      this.#body?.break(failedBy(broken, this.#sent, null));
      return;
    }
    const raw = controller.rawTrailers as Buffer[] | null;
    this.#body?.finish(raw === null || raw.length === 0 ? [] : linesOf(raw));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#body !== null) this.#body.break(failedBy(error, this.#sent, null));
    // undici reports the same error for a head with contradicting framing.
    else if ((error as NodeJS.ErrnoException).code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH") {
      this.#refuse("http_protocol_error", "The service's response is not valid HTTP.");
    } else this.#fail(failedBy(error, this.#sent, null));
  }

  #faultOf(status: number, headers: HeaderList, oldVersion: boolean): [ProxyErrorType, string] | null {
    if (headers.length > maxResponseLines) {
      return ["http_response_header_section_size", "The service's response has too many header lines."];
    }
    if (this.connection?.foreignVersion === true) {
      return ["http_protocol_error", "The service's response is of another major version of HTTP."];
    }
    if (this.connection?.oddStatusLine === true) {
      return ["http_protocol_error", "The service's response is invalid: its status line ends in two CRs."];
    }
    const fault = responseFault(status, headers);
    if (fault !== null) return ["http_protocol_error", `The service's response is invalid: ${fault}.`];
    let codings = 0;
    for (const [name, value] of headers) {
      if (name.length !== 17 || name.toLowerCase() !== "transfer-encoding") continue;
      codings += 1;
      if (codings > 1 || oldVersion || value.trim().toLowerCase() !== "chunked") {
        return [
          "http_response_transfer_coding",
          "The service's response has a transfer coding that is not chunked.",
        ];
      }
    }
    return null;
  }

  #refuse(proxyStatus: ProxyErrorType, detail: string): void {
    this.#fail(failedWith("upstream-invalid-response", proxyStatus, detail, { executed: "unknown" }));
  }

  #fail(failed: Failed): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle({ kind: "failed", failed, unanswered: !this.#answered, reused: this.#reused });
  }
}

function linesOf(raw: readonly Buffer[]): HeaderList {
  const lines: HeaderLine[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2)
    lines.push([raw[i]!.toString("latin1"), raw[i + 1]!.toString("latin1")]);
  return lines;
}
