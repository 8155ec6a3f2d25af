/**
 * A wire between the nodes and Redis that a test can close in either direction, or cut. Bytes keep their order; none is
 * dropped while its connection lives.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Relay {
  readonly url: string;
  /** From now on Redis gets and does what it is told, and its answers wait here. */
  holdAnswers(): void;
  /** From now on what Redis is told waits here. */
  holdRequests(): void;
  /** What was held back goes out, and everything later at once. */
  letGo(): void;
  /** Resets every connection; what was held back is lost. */
  cut(): void;
  close(): Promise<void>;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

export async function startRelay(port: number): Promise<Relay> {
  const pairs = new Set<Pair>();
  let held: keyof Pair | null = null;
  const server = createServer((near) => {
    const far = connect({ port, host: "127.0.0.1" });
    const pair = { near, far };
    pairs.add(pair);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.on("data", (bytes) => other.write(bytes));
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
    if (held !== null) pair[held].pause();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  function hold(side: keyof Pair): void {
    held = side;
    for (const pair of pairs) pair[side].pause();
  }
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    holdAnswers: () => hold("far"),
    holdRequests: () => hold("near"),
    letGo() {
      held = null;
      for (const { near, far } of pairs) {
        near.resume();
        far.resume();
      }
    },
    cut() {
      for (const { near, far } of pairs) {
        near.resetAndDestroy();
        far.destroy();
      }
    },
    async close() {
      for (const { near, far } of pairs) {
        near.destroy();
        far.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
