/** A service that reads requests by the letter (strict-parser.ts), answers whole ones, and notes what it could not read. */
import net from "node:net";
import type { AddressInfo, Socket } from "node:net";

import { parseRequests, type ParsedRequest } from "./strict-parser.ts";

export class StrictService {
  readonly requests: ParsedRequest[] = [];
  readonly errors: string[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server = net.createServer((socket) => this.#serve(socket));

  static async start(): Promise<StrictService> {
    const strict = new StrictService();
    await new Promise<void>((resolve) => strict.#server.listen(0, "127.0.0.1", resolve));
    return strict;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  forget(): void {
    this.requests.length = 0;
    this.errors.length = 0;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    let unread = "";
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      const { requests, error, rest } = parseRequests(unread + chunk.toString("latin1"));
      unread = rest;
      for (const request of requests) {
        this.requests.push(request);
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      }
      if (error === null) return;
      this.errors.push(error);
      socket.destroy();
    });
  }
}
