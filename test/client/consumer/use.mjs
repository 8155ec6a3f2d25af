// Run inside a project that has nothing but the packed client. Prints what it saw as JSON.
import { createServer } from "node:http";
import { createClient, isProblem, ProblemError, WaitTimeoutError } from "@sticky-proxy/client";
import {
  createReceiver,
  readExecution,
  ProblemError as SameProblemError,
} from "@sticky-proxy/client/receiver";

const id = "1.Zk3abcdefghijklmnop_-9.a";
const keys = [];
let result = null;

/** A gateway of four answers. */
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk)).on("end", () => answer(request, response, body));
});

function answer(request, response, body) {
  const fields = { "Sticky-Process-Id": id, "Sticky-Source": "gateway", ETag: '"v1"' };
  if (request.url.endsWith("/complete")) {
    result = { status: Number(request.headers["sticky-result-status"]), body };
    response.writeHead(200).end('{"accepted":true,"cancelRequested":false}');
  } else if (request.url.endsWith("/result")) {
    response.writeHead(result.status, { ...fields, "Sticky-Source": "store" }).end(result.body);
  } else if (request.url.includes("/processes/")) {
    response.writeHead(200, { ...fields, "Content-Type": "application/json" });
    response.end(
      JSON.stringify({ id, done: result !== null, version: result === null ? 1 : 2, status: "completed" }),
    );
  } else if (keys.push(request.headers["idempotency-key"]) === 1) {
    response.writeHead(503, { "Content-Type": "application/problem+json" });
    const type = "/_sticky/problems/store-unavailable";
    response.end(JSON.stringify({ type, title: "x", status: 503, executed: "no", retryable: true }));
  } else {
    response.writeHead(202, fields).end("{}");
  }
}
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const baseUrl = `http://127.0.0.1:${server.address().port}`;

const client = createClient({ baseUrl, retry: { minMs: 1 } });
const handle = await client.submit("reports", { json: { month: 11 } });
const early = await handle.wait({ timeoutMs: 1 }).catch((error) => error);

const receiver = createReceiver({ secrets: [`whsec_${Buffer.alloc(32, 1).toString("base64")}`] });
const execution = readExecution({
  "sticky-process-id": id,
  "sticky-execution": `1.${"a".repeat(43)}`,
  "sticky-callback-url": `${baseUrl}/_sticky/v1/executions/${id}/complete`,
});
await receiver.complete(execution, { status: 201, json: { url: "/r/1" } });
const { status } = await handle.wait();
const response = await handle.result();
server.close();

const report = {
  node: process.versions.node,
  sameKey: keys.length === 2 && keys[0] === keys[1],
  timedOut: early instanceof WaitTimeoutError,
  oneClass: ProblemError === SameProblemError && !isProblem(early, "draining"),
  status,
  result: [response.status, await response.json()],
};
process.stdout.write(JSON.stringify(report));
