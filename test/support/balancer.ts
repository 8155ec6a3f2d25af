/** The balancer of docker-compose.yml, run from the same file with other addresses. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { freePorts } from "./ports.ts";

const file = join(import.meta.dirname, "../../infra/haproxy/haproxy.cfg");

export interface Balancer {
  readonly url: string;
  /** Resolves when the path has answered 200 several times in a row: the balancer has found its servers. */
  untilServing(path: string): Promise<void>;
  stop(): Promise<void>;
}

/** @param proxies three of them, as the file says; they need not run yet */
export async function startBalancer(
  proxies: readonly { readonly port: number; readonly opsPort: number }[],
): Promise<Balancer> {
  if (proxies.length !== 3) throw new Error("the balancer's file names three proxies");
  const [port, opsPort] = await freePorts(2);
  const addresses = Object.fromEntries(
    proxies.flatMap((proxy, i) => [
      [`PROXY_${i + 1}`, `127.0.0.1:${proxy.port}`],
      [`PROXY_${i + 1}_OPS_PORT`, String(proxy.opsPort)],
    ]),
  );
  const binary = process.env["STICKY_TEST_HAPROXY"] ?? "haproxy";
  const child = spawn(binary, ["-db", "-f", file], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      ...addresses,
      BALANCER_BIND: `127.0.0.1:${port}`,
      BALANCER_OPS_BIND: `127.0.0.1:${opsPort}`,
    },
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const failed = Promise.race([
    once(child, "error").then(([error]) => Promise.reject(error as Error)),
    once(child, "exit").then(() => Promise.reject(new Error(`haproxy ended:\n${said}`))),
  ]);
  failed.catch(() => undefined);
  await Promise.race([failed, untilListening(port!)]);
  return {
    url: `http://127.0.0.1:${port}`,
    async untilServing(path) {
      for (let inRow = 0; inRow < 6;) {
        const { status } = await fetch(`http://127.0.0.1:${port}${path}`);
        inRow = status === 200 ? inRow + 1 : 0;
        if (inRow === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Asks until something answers there, with whatever status. */
async function untilListening(port: number): Promise<void> {
  for (let i = 0; i < 200; i += 1) {
    try {
      await fetch(`http://127.0.0.1:${port}/`);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  throw new Error("the balancer does not listen");
}
