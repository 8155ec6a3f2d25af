/** The service of the run: it records every execution it begins, and is slow or cuts its connection as the seed says. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Execution } from "./history.ts";
import type { Random } from "./random.ts";

export interface Backend {
  readonly origin: string;
  readonly executions: readonly Execution[];
  close(): Promise<void>;
}

/** @param leaseMs some executions last longer than this */
export async function startBackend(random: Random, leaseMs: number): Promise<Backend> {
  const executions: Execution[] = [];
  const server = createServer((request, response) => {
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
    const dice = random.next();
    const ms = dice < 0.05 ? random.between(leaseMs, 2 * leaseMs) : random.between(0, 120);
    request.resume();
    setTimeout(() => {
      execution.endedAt = performance.now();
      if (dice > 0.98) request.socket.destroy(); // before a byte of the answer
      else if (dice > 0.96) {
        response.writeHead(200, { "Content-Length": 1000 });
        response.write("half");
        setImmediate(() => request.socket.destroy());
      } else response.end(`${execution.key} by execution ${execution.number}`);
    }, ms);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    executions,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
