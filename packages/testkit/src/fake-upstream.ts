/**
 * Fake services. FakeUpstream is a real HTTP server that records its requests and answers as a
 * test says; RawUpstream is a TCP server for responses that no HTTP server would send.
 */
import http from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import net from "node:net";
import type { AddressInfo, Socket } from "node:net";

export interface RecordedRequest {
  readonly method: string;
  readonly target: string;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  /** By lower-case name, lines joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  /** Complete once `ended` is true. */
  body: Buffer;
  /** Positions of arrival and of completion among all requests of this upstream, from 1; 0: not yet. */
  readonly startedAs: number;
  endedAs: number;
  ended: boolean;
  /** The connection closed before the response was complete. */
  aborted: boolean;
}

export type FakeHandler = (
  request: RecordedRequest,
  response: ServerResponse,
  message: IncomingMessage,
) => unknown;

export class FakeUpstream {
  readonly requests: RecordedRequest[] = [];
  readonly #server: http.Server;
  readonly #arrivals = new Set<() => void>();
  #handler: FakeHandler;
  #events = 0;

  private constructor(handler: FakeHandler) {
    this.#handler = handler;
    this.#server = http.createServer(
      { keepAliveTimeout: 30_000, requireHostHeader: false },
      (message, response) => {
        this.#record(message, response);
      },
    );
  }

  /** Listens on a free port of 127.0.0.1; without a handler it answers 200 "ok". The handler runs when the body is complete. */
  static async start(
    handler: FakeHandler = (_request, response) => response.end("ok"),
  ): Promise<FakeUpstream> {
    const upstream = new FakeUpstream(handler);
    await new Promise<void>((resolve) => upstream.#server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get last(): RecordedRequest {
    const request = this.requests.at(-1);
    if (request === undefined) throw new Error("the upstream was not called");
    return request;
  }

  respond(handler: FakeHandler): void {
    this.#handler = handler;
  }

  /** Resolves when `count` requests have arrived in all. */
  async arrived(count = 1): Promise<void> {
    while (this.requests.length < count) {
      await new Promise<void>((resolve) => this.#arrivals.add(resolve));
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #record(message: IncomingMessage, response: ServerResponse): void {
    const headers = new Map<string, string>();
    for (let i = 0; i + 1 < message.rawHeaders.length; i += 2) {
      const name = message.rawHeaders[i]!.toLowerCase();
      const value = message.rawHeaders[i + 1]!;
      const earlier = headers.get(name);
      headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
    }
    this.#events += 1;
    const request: RecordedRequest = {
      method: message.method ?? "",
      target: message.url ?? "",
      httpVersion: message.httpVersion,
      rawHeaders: message.rawHeaders,
      headers,
      body: Buffer.alloc(0),
      startedAs: this.#events,
      endedAs: 0,
      ended: false,
      aborted: false,
    };
    this.requests.push(request);
    for (const resolve of this.#arrivals) resolve();
    this.#arrivals.clear();
    response.on("close", () => {
      this.#events += 1;
      request.endedAs = this.#events;
      request.aborted = !response.writableFinished;
    });
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    message.on("error", () => {
      request.aborted = true;
    });
    message.on("end", () => {
      request.body = Buffer.concat(chunks);
      request.ended = true;
      void this.#handler(request, response, message);
    });
  }
}

/** What one connection of a RawUpstream has received, and the socket to answer on. */
export interface RawConnection {
  readonly socket: Socket;
  received: string;
  /** From 1, in order of arrival. */
  readonly number: number;
}

export class RawUpstream {
  readonly connections: RawConnection[] = [];
  readonly #server: net.Server;

  private constructor(onHead: (connection: RawConnection) => void) {
    this.#server = net.createServer((socket) => {
      const connection: RawConnection = { socket, received: "", number: this.connections.length + 1 };
      this.connections.push(connection);
      socket.on("error", () => undefined);
      let handled = 0;
      socket.on("data", (chunk) => {
        connection.received += chunk.toString("latin1");
        let end = connection.received.indexOf("\r\n\r\n", handled);
        while (end !== -1) {
          handled = end + 4;
          onHead(connection);
          end = connection.received.indexOf("\r\n\r\n", handled);
        }
      });
    });
  }

  /** `onHead` runs for each complete request head. A returned string is written unchanged and the socket ended. */
  static async start(onHead: string | ((connection: RawConnection) => void)): Promise<RawUpstream> {
    const answer =
      typeof onHead === "string"
        ? ({ socket }: RawConnection): void => void socket.end(onHead, "latin1")
        : onHead;
    const upstream = new RawUpstream(answer);
    await new Promise<void>((resolve) => upstream.#server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
