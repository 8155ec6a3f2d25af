/** A backend that writes down what reached it, and misbehaves on request. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Behaviour = (request: Received, response: ServerResponse) => void;

export interface RecordingBackend {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  /** Changed at will; default: 200 and the request's body. */
  behave: Behaviour;
  close(): Promise<void>;
}

export const echo: Behaviour = (request, response) => {
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(
    request.method === "HEAD" ? undefined : JSON.stringify({ path: request.path, body: request.body }),
  );
};

/** Takes the request and never answers. */
export const hang: Behaviour = () => undefined;

export async function startRecording(port = 0): Promise<RecordingBackend> {
  const received: Received[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      const one = { method, path: url, headers, body: Buffer.concat(chunks).toString() };
      received.push(one);
      backend.behave(one, response);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const bound = (server.address() as AddressInfo).port;
  const backend: RecordingBackend = {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    received,
    behave: echo,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return backend;
}
