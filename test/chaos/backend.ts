/**
 * The service of the run: it records every execution it begins, and is slow or cuts its connection as the seed says.
 * What is sent to `/job` is accepted and reported later, to a replica of the seed's choice ({@link jobReports}).
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Execution, Report } from "./history.ts";
import { jobReports } from "./job-reports.ts";
import type { Random } from "./random.ts";

export interface Backend {
  readonly origin: string;
  readonly executions: readonly Execution[];
  readonly reports: readonly Report[];
  /** Data planes of the replicas. */
  reportTo(urls: readonly string[]): void;
  /** Resolves when nothing is left to report. */
  reported(): Promise<void>;
  close(): Promise<void>;
}

/** @param leaseMs some executions last longer than this */
export async function startBackend(random: Random, leaseMs: number): Promise<Backend> {
  const executions: Execution[] = [];
  const jobs = jobReports(random.branch("reports"), leaseMs);

  function begin(request: IncomingMessage): Execution {
    const header = (name: string): string => String(request.headers[name] ?? "");
    const execution: Execution = {
      number: executions.length + 1,
      key: header("idempotency-key"),
      processId: header("sticky-process-id"),
      fence: Number(header("sticky-fence")),
      operation: header("x-operation"),
      startedAt: performance.now(),
      endedAt: null,
    };
    executions.push(execution);
    return execution;
  }

  function answer(request: IncomingMessage, response: ServerResponse, execution: Execution): void {
    const dice = random.next();
    const ms = dice < 0.05 ? random.between(leaseMs, 2 * leaseMs) : random.between(0, 120);
    setTimeout(() => {
      execution.endedAt = performance.now();
      if (dice > 0.98) request.socket.destroy(); // before a byte of the answer
      else if (dice > 0.96) {
        response.writeHead(200, { "Content-Length": 1000 });
        response.write("half");
        setImmediate(() => request.socket.destroy());
      } else response.end(`${execution.key} by execution ${execution.number}`);
    }, ms);
  }

  const server = createServer((request, response) => {
    const execution = begin(request);
    request.resume();
    if (request.url !== "/job") return answer(request, response, execution);
    const token = String(request.headers["sticky-execution"]);
    const body = `${execution.key} by execution ${execution.number}`;
    const { acceptAfterMs } = jobs.take({ processId: execution.processId, token, body }, () => {
      execution.endedAt = performance.now();
    });
    setTimeout(() => response.writeHead(202).end(), acceptAfterMs);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    executions,
    reports: jobs.reports,
    reportTo: jobs.reportTo,
    reported: jobs.reported,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
