/** R1: what a client sees of a route is the same, octet for octet, whether its calls are copied or not. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startCluster, type Cluster } from "../support/cluster.ts";
import { startRecording, type RecordingBackend } from "./recording-backend.ts";

const large = "u".repeat(3_000_000);

/** The primary: each path answers in a way of its own. `held`: resolves what an event stream waits for. */
function behave(request: IncomingMessage, response: ServerResponse, body: string, held: Promise<void>): void {
  const path = request.url ?? "";
  response.setHeader("Date", "Sat, 01 Jan 2000 00:00:00 GMT");
  if (path === "/trailers") {
    response.writeHead(200, { trailer: "X-Checksum", "transfer-encoding": "chunked" });
    response.write("body");
    response.addTrailers({ "X-Checksum": "ab12" });
    response.end();
  } else if (path === "/cut") {
    response.writeHead(200, { "content-length": "100" }).write("only this");
    setImmediate(() => response.socket!.destroy());
  } else if (path === "/large") response.writeHead(200, { "content-length": large.length }).end(large);
  else if (path === "/ticks") {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    void held.then(() => response.end("data: 2\n\n"));
  } else if (path === "/failed") response.writeHead(500, { "content-type": "text/plain" }).end("sorry");
  else if (path === "/odd") response.writeHead(207, { "x-two": ["a", "b"], ETag: 'W/"1"' }).end("odd");
  else if (path === "/nothing") response.writeHead(204).end();
  else if (path === "/unchanged") response.writeHead(304, { ETag: '"1"' }).end();
  else if (path === "/refused") response.writeHead(429, { "retry-after": "7" }).end("slow down");
  else response.writeHead(201, { "content-type": "text/plain" }).end(`got ${body.length} ${request.method}`);
}

const conversations: readonly { name: string; request: (path: string) => string }[] = [
  { name: "a small body", request: (at) => post(`${at}/a`, "x") },
  { name: "no body", request: (at) => head("POST", `${at}/a`, "Content-Length: 0") },
  { name: "a body of 3 MB", request: (at) => post(`${at}/a`, large) },
  {
    name: "a chunked body",
    request: (at) =>
      `${head("PUT", `${at}/a`, "Transfer-Encoding: chunked")}3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\n\r\n`,
  },
  { name: "trailers", request: (at) => head("POST", `${at}/trailers`, "TE: trailers\r\nContent-Length: 0") },
  { name: "an answer of 3 MB", request: (at) => post(`${at}/large`, "x") },
  { name: "an answer that is cut off", request: (at) => post(`${at}/cut`, "x") },
  { name: "a server error", request: (at) => post(`${at}/failed`, "x") },
  { name: "two lines of one field, a status of its own", request: (at) => post(`${at}/odd`, "x") },
  { name: "an answer without content", request: (at) => head("DELETE", `${at}/nothing`, "") },
  { name: "a condition", request: (at) => head("GET", `${at}/unchanged`, 'If-None-Match: "1"') },
  { name: "a pause that the service asks for", request: (at) => post(`${at}/refused`, "x") },
  { name: "HEAD", request: (at) => head("HEAD", `${at}/a`, "") },
  {
    name: "a key and a preference",
    request: (at) => post(`${at}/a`, "x", "Idempotency-Key: k\r\nPrefer: wait=1"),
  },
];

function head(method: string, path: string, lines: string): string {
  const extra = lines === "" ? "" : `${lines}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${extra}\r\n`;
}

function post(path: string, body: string, lines = ""): string {
  const extra = lines === "" ? "" : `${lines}\r\n`;
  return `${head("POST", path, `${extra}Content-Length: ${body.length}`)}${body}`;
}

describeWithRedis("a copied route and its client", function () {
  this.timeout(120_000);
  let server: Server;
  let secondary: RecordingBackend;
  let cluster: Cluster;
  let tickOn: () => void;

  before(async () => {
    const held = new Promise<void>((resolve) => (tickOn = resolve));
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => behave(request, response, Buffer.concat(chunks).toString(), held));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    secondary = await startRecording();
    const instances = [`http://127.0.0.1:${(server.address() as AddressInfo).port}`];
    const mirrored = (mode: string) => ({
      instances,
      routes: [
        {
          match: { path: "/", ...(mode === "dual-read" ? { methods: ["GET", "HEAD"] } : {}) },
          mirror: { to: "other", mode },
        },
      ],
    });
    cluster = await startCluster({
      proxies: 1,
      config: {
        services: {
          plain: { instances, routes: [{ match: { path: "/" } }] },
          shadow: mirrored("shadow"),
          read: mirrored("dual-read"),
          write: mirrored("dual-write"),
          other: { instances: [secondary.url], match: "none" },
        },
      },
    });
  });
  after(async () => {
    await cluster?.stop();
    await secondary?.close();
    server?.closeAllConnections();
    server?.close();
  });

  /** Everything that comes back until the connection ends; what is drawn for each request is taken out. */
  async function seen(request: string): Promise<string> {
    const socket = connect(cluster.proxies[0]!.place.port, "127.0.0.1");
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => undefined);
    socket.write(request);
    await once(socket, "close");
    return Buffer.concat(chunks)
      .toString()
      .replace(/^X-Request-Id: .*\r\n/im, "");
  }

  for (const { name, request } of conversations) {
    it(`sees the same in every mode: ${name}`, async () => {
      const expected = await seen(request("/plain"));
      expect(expected).to.match(/^HTTP\/1\.1 \d{3} /);
      for (const mode of ["shadow", "read", "write"])
        expect(await seen(request(`/${mode}`)), mode).to.equal(expected);
    });
  }

  it("gets the first event of a stream while the stream goes on", async () => {
    for (const mode of ["plain", "shadow", "read", "write"]) {
      const socket = connect(cluster.proxies[0]!.place.port, "127.0.0.1");
      socket.write(post(`/${mode}/ticks`, "x"));
      let text = "";
      while (!text.includes("data: 1")) text += String(((await once(socket, "data")) as [Buffer])[0]);
      expect(text, mode).to.not.contain("data: 2");
      socket.destroy();
    }
    tickOn();
  });
});
