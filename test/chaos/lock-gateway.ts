/**
 * The negative control: what many services do instead, `SET key NX PX lease` around the work and an unconditional
 * write of the result. Its owners sometimes stand still for longer than the lease. The checker must catch it.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import type { StoredProcess } from "./history.ts";
import type { Random } from "./random.ts";

export interface LockGateway {
  readonly url: string;
  stored(): Promise<StoredProcess[]>;
  close(): Promise<void>;
}

export interface LockGatewayOptions {
  readonly redisUrl: string;
  readonly origin: string;
  readonly random: Random;
  readonly leaseMs: number;
  /** The first owner stands still, so that the control never depends on luck. */
  readonly stallsFirst: boolean;
}

export async function startLockGateway(options: LockGatewayOptions): Promise<LockGateway> {
  const { redisUrl, origin, random, leaseMs } = options;
  const redis = new Redis(redisUrl);
  let owned = 0;

  async function run(key: string, operation: string): Promise<string> {
    for (;;) {
      const result = await redis.get(`lock:result:${key}`);
      if (result !== null) return result;
      if ((await redis.set(`lock:${key}`, "1", "PX", leaseMs, "NX")) === null) {
        await delay(10);
        continue;
      }
      owned += 1;
      const headers = { "Idempotency-Key": key, "Sticky-Fence": "0", "X-Operation": operation };
      const body = await (await fetch(origin, { method: "POST", headers })).text();
      if ((owned === 1 && options.stallsFirst) || random.next() < 0.05) await delay(3 * leaseMs);
      await redis.set(`lock:result:${key}`, body);
      await redis.del(`lock:${key}`);
      return body;
    }
  }
  const server = createServer((request, response) => {
    const key = String(request.headers["idempotency-key"] ?? "");
    run(key, String(request.headers["x-operation"] ?? "")).then(
      (body) => response.setHeader("Sticky-Process-Id", key).end(body),
      () => request.socket.destroy(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stored() {
      const keys = await redis.keys("lock:result:*");
      return Promise.all(
        keys.map(async (key) => {
          const id = key.slice("lock:result:".length);
          return { id, status: "completed", owner: null, result: await redis.get(key) };
        }),
      );
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
      redis.disconnect();
    },
  };
}
