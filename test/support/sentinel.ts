/** Sentinels of real servers for tests. */
import { localRedisServer } from "@sticky-proxy/testkit";
import { Redis } from "ioredis";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One Sentinel that decides alone. */
export async function startSentinel(primaryPort: number): Promise<{ port: number; stop(): Promise<void> }> {
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address() as AddressInfo;
  holder.close();
  await once(holder, "close");
  const dir = mkdtempSync(join(tmpdir(), "sticky-sentinel-"));
  const file = join(dir, "sentinel.conf");
  writeFileSync(
    file,
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${dir}`,
      `sentinel monitor state 127.0.0.1 ${primaryPort} 1`,
      "sentinel down-after-milliseconds state 1000",
      "sentinel failover-timeout state 5000",
      "",
    ].join("\n"),
  );
  const child = spawn(localRedisServer()!, [file, "--sentinel"], { stdio: "ignore" });
  const ping = new Redis({ port, retryStrategy: () => 50, maxRetriesPerRequest: null });
  ping.on("error", () => {});
  await ping.ping();
  ping.disconnect();
  return {
    port,
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
