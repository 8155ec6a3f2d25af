/** The service behind the cache: a real HTTP server whose answers a test writes, and which remembers every request. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}

export type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  nth: number,
) => void | Promise<void>;

export interface Origin {
  readonly url: string;
  /** Requests so far, by path and query. */
  seen(url?: string): Seen[];
  /** What a path (without query) answers from now on; `nth` counts its requests from 1. */
  on(path: string, answer: Answer): void;
  close(): Promise<void>;
}

export async function startOrigin(): Promise<Origin> {
  const answers = new Map<string, Answer>();
  const counts = new Map<string, number>();
  const requests: Seen[] = [];
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    requests.push({ method, url, headers });
    const path = url.split("?")[0] ?? "";
    const nth = (counts.get(path) ?? 0) + 1;
    counts.set(path, nth);
    const answer = answers.get(path);
    if (answer === undefined) {
      response.writeHead(404);
      response.end();
      return;
    }
    void answer(request, response, nth);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen: (url) => (url === undefined ? requests : requests.filter((request) => request.url === url)),
    on: (path, answer) => void answers.set(path, answer),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Answers with these fields and the text, which says how many requests there were. */
export function text(
  fields: Readonly<Record<string, string | readonly string[]>>,
  body = "body",
  status = 200,
): (request: IncomingMessage, response: ServerResponse, nth: number) => void {
  return (_, response, nth) => {
    for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
    response.writeHead(status);
    response.end(`${body} ${nth}`);
  };
}
