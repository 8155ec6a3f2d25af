/** A fake gateway for the client's tests: one replica in memory, written from the wire contract. */

import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  executionToken,
  formatProcessId,
  matchesVersionTag,
  Problem,
  problemBody,
  processLinks,
  readIdempotencyKey,
  readPrefer,
  verifyExecutionToken,
  type ProblemOptions,
  type ProblemSlug,
  type ProcessStatus,
  type ProcessView,
  asFence,
  asScope,
} from "@sticky-proxy/protocol";

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface StoredResult {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Process {
  view: ProcessView;
  key: string;
  result: StoredResult | null;
  problem: ProblemSlug | null;
}

/** Fault of the next request, instead of the gateway's response. */
export type Fault =
  | { readonly kind: "reset" }
  /** The gateway processes the request, and its response is lost. */
  | { readonly kind: "lost-answer" }
  | { readonly kind: "silence" }
  /** The head arrives, the body never ends. */
  | { readonly kind: "stall" }
  | { readonly kind: "problem"; readonly slug: ProblemSlug; readonly options?: ProblemOptions }
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    };

export const tokenSecret = "fake";

export class FakeGateway {
  readonly seen: Seen[] = [];
  readonly faults: Fault[] = [];
  readonly processes = new Map<string, Process>();
  /** Executions of the service: one per new process. */
  runs = 0;
  holds = true;
  readonly #news = new EventEmitter().setMaxListeners(0);
  readonly #server = createServer((request, response) => void this.#handle(request, response));
  url = "";

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** Resolves when the n-th request has arrived. */
  async request(n: number): Promise<Seen> {
    while (this.seen.length < n) await once(this.#news, "request");
    return this.seen[n - 1]!;
  }

  end(
    id: string,
    status: ProcessStatus,
    result: StoredResult | null,
    problem: ProblemSlug | null = null,
  ): void {
    const process = this.processes.get(id)!;
    process.result = result;
    process.problem = problem;
    this.change(id, { status, phase: null, done: true });
  }

  change(id: string, changes: Partial<ProcessView>): void {
    const process = this.processes.get(id)!;
    process.view = { ...process.view, ...changes, version: process.view.version + 1 };
    this.#news.emit("change");
  }

  create(key: string): Process {
    const epoch = asFence(++this.runs);
    const id = formatProcessId({ partition: 1, scope: asScope("Zk3abcdefghijklmnop_-9"), epoch });
    const now = new Date().toISOString();
    const view: ProcessView = {
      id,
      service: "reports",
      operation: "POST /reports",
      status: "in-progress",
      phase: "awaiting-callback",
      done: false,
      version: 1,
      createTime: now,
      startTime: now,
      updateTime: now,
      endTime: null,
      expireTime: null,
      attempt: 1,
      maxAttempts: 1,
      nextAttemptTime: null,
      deadlineTime: null,
      heartbeatTime: null,
      progress: null,
      cancelRequested: false,
      outcome: null,
      lastError: null,
      rerunOf: null,
      supersededBy: null,
      links: processLinks(id, ""),
    };
    const process = { view, key, result: null, problem: null };
    this.processes.set(id, process);
    return process;
  }

  /** Fields of a dispatch to the service. */
  dispatchFields(id: string): Record<string, string> {
    return {
      "Idempotency-Key": `"${this.processes.get(id)!.key}"`,
      "Sticky-Process-Id": id,
      "Sticky-Attempt": "1",
      "Sticky-Fence": "1763712000000001",
      "Sticky-Execution": executionToken(tokenSecret, id, 1),
      "Sticky-Callback-Url": `${this.url}/_sticky/v1/executions/${id}/complete`,
    };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const seen: Seen = {
        method: request.method!,
        url: request.url!,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      this.seen.push(seen);
      this.#news.emit("request");
      await this.#answer(seen, response);
    } catch (error) {
      if (error instanceof Problem) writeProblem(response, error, null);
      else response.destroy(error as Error);
    }
  }

  async #answer(seen: Seen, response: ServerResponse): Promise<void> {
    const fault = this.faults.shift();
    switch (fault?.kind) {
      case "reset":
        response.destroy();
        return;
      case "silence":
        return;
      case "stall":
        response.writeHead(200, { "Content-Type": "application/json" }).write("{");
        return;
      case "problem":
        throw new Problem(fault.slug, fault.options);
      case "answer":
        response.writeHead(fault.status, fault.headers).end(fault.body);
        return;
      case "lost-answer":
        response.end = () => response.destroy();
        break;
      case undefined:
    }
    const [, id, action] = /^\/_sticky\/v1\/processes\/([^/?]+)(?:\/(\w+))?$/.exec(seen.url) ?? [];
    const execution = /^\/_sticky\/v1\/executions\/([^/?]+)\/(\w+)$/.exec(seen.url);
    if (execution !== null) return this.#report(seen, response, execution[1]!, execution[2]!);
    if (seen.url === "/_sticky/v1/processes:lookup") return this.#lookup(seen, response);
    if (id === undefined) return this.#submit(seen, response);
    const process = this.processes.get(id);
    if (process === undefined) throw new Problem("process-not-found");
    if (action === undefined && seen.method === "DELETE") {
      if (!process.view.done) throw new Problem("process-running");
      this.processes.delete(id);
      response.writeHead(204).end();
    } else if (action === undefined) await this.#status(seen, response, process);
    else if (action === "result") await this.#result(seen, response, process);
    else if (action === "cancel") {
      if (process.view.done && process.view.status !== "cancelled") throw new Problem("process-terminal");
      this.end(id, "cancelled", null);
      writeView(response, 200, process);
    } else {
      if (!process.view.done) throw new Problem("process-running");
      const next = this.#known(seen) ?? this.create(keyOf(seen));
      next.view = { ...next.view, rerunOf: id };
      writeView(response, 202, next);
    }
  }

  #known(seen: Seen): Process | undefined {
    const key = keyOf(seen);
    return [...this.processes.values()].find((process) => process.key === key);
  }

  #submit(seen: Seen, response: ServerResponse): void {
    const known = this.#known(seen);
    const process = known ?? this.create(keyOf(seen));
    if (process.view.done) writeResult(response, process, known !== undefined);
    else writeView(response, 202, process, known !== undefined);
  }

  #lookup(seen: Seen, response: ServerResponse): void {
    const { idempotencyKey } = JSON.parse(seen.body) as { idempotencyKey: string };
    const process = [...this.processes.values()].find(({ key }) => key === idempotencyKey);
    if (process === undefined) throw new Problem("process-not-found");
    writeView(response, 200, process);
  }

  async #status(seen: Seen, response: ServerResponse, process: Process): Promise<void> {
    const known = seen.headers["if-none-match"];
    if (known !== undefined) await this.#hold(seen, () => !matchesVersionTag([known], process.view.version));
    if (known !== undefined && matchesVersionTag([known], process.view.version)) {
      response.writeHead(304, { ETag: known }).end();
    } else writeView(response, 200, process);
  }

  async #result(seen: Seen, response: ServerResponse, process: Process): Promise<void> {
    await this.#hold(seen, () => process.view.done);
    if (!process.view.done) writeView(response, 202, process);
    else writeResult(response, process, true);
  }

  async #hold(seen: Seen, isOver: () => boolean): Promise<void> {
    const { waitMs } = readPrefer([seen.headers.prefer ?? ""].flat());
    if (waitMs === null || !this.holds) return;
    const timeout = AbortSignal.timeout(waitMs);
    while (!isOver() && !timeout.aborted) {
      await once(this.#news, "change", { signal: timeout }).catch(() => undefined);
    }
  }

  #report(seen: Seen, response: ServerResponse, id: string, action: string): void {
    const token = String(seen.headers["sticky-execution"] ?? "");
    const process = this.processes.get(id);
    if (process === undefined || verifyExecutionToken(tokenSecret, id, token) === null) {
      throw new Problem("unauthorized");
    }
    const type = String(seen.headers["content-type"] ?? "");
    if (action === "heartbeat") {
      const { progress = null } = JSON.parse(seen.body) as Partial<ProcessView>;
      this.change(id, { progress });
    } else if (process.view.done) {
      if (process.result?.body !== seen.body) throw new Problem("execution-stale", { processId: id });
      response.writeHead(200).end('{"accepted":true,"duplicate":true}');
      return;
    } else {
      const status = action === "fail" ? 502 : Number(seen.headers["sticky-result-status"] ?? 200);
      this.end(id, action === "fail" ? "failed" : "completed", {
        status,
        headers: { "content-type": type },
        body: seen.body,
      });
    }
    response.writeHead(200).end(`{"accepted":true,"cancelRequested":${process.view.cancelRequested}}`);
  }
}

function keyOf(seen: Seen): string {
  const key = seen.headers["idempotency-key"];
  return readIdempotencyKey(typeof key === "string" ? [key] : [], []) ?? randomUUID();
}

function processFields(process: Process, source: string, replayed: boolean): Record<string, string> {
  return {
    "Sticky-Process-Id": process.view.id,
    "Sticky-Process-Status": process.view.status,
    "Sticky-Source": source,
    "Idempotent-Replayed": String(replayed),
    ETag: `"v${process.view.version}"`,
  };
}

function writeView(response: ServerResponse, status: number, process: Process, replayed = false): void {
  const running = process.view.done ? {} : { "Retry-After": "1" };
  const headers = {
    "Content-Type": "application/json",
    ...running,
    ...processFields(process, "gateway", replayed),
  };
  if (status === 202) response.setHeader("Location", process.view.links.self);
  response.writeHead(status, headers).end(JSON.stringify(process.view));
}

function writeResult(response: ServerResponse, process: Process, replayed: boolean): void {
  if (process.result !== null) {
    const { status, headers, body } = process.result;
    response
      .writeHead(status, { ...headers, ...processFields(process, replayed ? "store" : "service", replayed) })
      .end(body);
    return;
  }
  const slug = process.problem ?? "process-cancelled";
  writeProblem(response, new Problem(slug, { processId: process.view.id }), process);
}

function writeProblem(response: ServerResponse, problem: Problem, process: Process | null): void {
  response
    .writeHead(problem.status, {
      "Content-Type": "application/problem+json",
      "Sticky-Source": "gateway",
      ...(process === null ? {} : processFields(process, "gateway", true)),
      ...problem.options.headers,
    })
    .end(JSON.stringify(problemBody(problem, "request-1")));
}
