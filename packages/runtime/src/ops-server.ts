/**
 * The ops port: /livez, /readyz, /metrics. One per process.
 * /livez runs no check: a Redis outage must not restart the node. /readyz is 503 when a check failed or the
 * node drains; a `degraded` check keeps the node ready and is named in the body (the proxy without Redis).
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";

export type CheckResult =
  | { readonly state: "ok"; readonly warning?: string }
  | { readonly state: "degraded" | "failed"; readonly reason: string };

export interface OpsServer {
  /** Called at each /readyz. It must not wait for a store. */
  check(name: string, look: () => CheckResult): void;
  /** Resolves to the bound port. Rejects when the address is taken. */
  listen(port: number, host: string | null): Promise<number>;
  close(): Promise<void>;
}

export interface OpsOptions {
  readonly metrics: Pick<Metrics, "registry">;
  readonly logger: Logger;
  readonly isDraining: () => boolean;
}

export interface Readiness {
  readonly status: "ready" | "degraded" | "not-ready";
  readonly checks: Readonly<Record<string, CheckResult>>;
}

/** One failed check makes the node not ready; the body names every check. */
export function readiness(checks: ReadonlyMap<string, CheckResult>, isDraining: boolean): Readiness {
  const all = new Map(checks);
  if (isDraining) all.set("draining", { state: "failed", reason: "the node is shutting down" });
  const states = [...all.values()].map(({ state }) => state);
  const status = states.includes("failed") ? "not-ready" : states.includes("degraded") ? "degraded" : "ready";
  return { status, checks: Object.fromEntries(all) };
}

export function createOpsServer({ metrics, logger, isDraining }: OpsOptions): OpsServer {
  const checks = new Map<string, () => CheckResult>();

  function look(ask: () => CheckResult): CheckResult {
    try {
      return ask();
    } catch (err) {
      logger.error("ops.check-failed", { err });
      return { state: "failed", reason: "the check itself failed" };
    }
  }

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = (req.url ?? "/").split("?")[0];
    if (path !== "/livez" && path !== "/readyz" && path !== "/metrics")
      return send(req, res, 404, { status: "not-found" });
    if (req.method !== "GET" && req.method !== "HEAD") {
      res.setHeader("allow", "GET, HEAD");
      return send(req, res, 405, { status: "method-not-allowed" });
    }
    if (path === "/livez") return send(req, res, 200, { status: "alive" });
    if (path === "/readyz") {
      const results = new Map([...checks].map(([name, ask]) => [name, look(ask)]));
      const now = readiness(results, isDraining());
      return send(req, res, now.status === "not-ready" ? 503 : 200, now);
    }
    const text = await metrics.registry.metrics();
    res.writeHead(200, { "content-type": metrics.registry.contentType, "cache-control": "no-store" });
    res.end(req.method === "HEAD" ? undefined : text);
  }

  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (req, res) => {
    answer(req, res).catch((err: unknown) => {
      logger.error("ops.failed", { err });
      if (res.headersSent) res.destroy();
      else send(req, res, 500, { status: "failed" });
    });
  });

  return {
    check: (name, ask) => void checks.set(name, ask),
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ port, ...(host === null ? {} : { host }) }, () => {
          server.off("error", reject);
          const address = server.address();
          resolve(typeof address === "object" && address !== null ? address.port : port);
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(req: IncomingMessage, res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  res.end(req.method === "HEAD" ? undefined : `${JSON.stringify(body)}\n`);
}
