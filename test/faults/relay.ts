/**
 * A wire between the nodes and Redis that a test can close in either direction, cut, let go dead without a word, or lead
 * to another server. Bytes keep their order; none is dropped while its connection lives.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Relay {
  readonly url: string;
  /** Requests pass; Redis's replies are buffered until {@link resume}. */
  holdAnswers(): void;
  /** Requests to Redis are buffered until {@link resume}. */
  holdRequests(): void;
  /** Sends what was buffered; later bytes pass at once. */
  resume(): void;
  /** Resets every connection; buffered bytes are lost. */
  cut(): void;
  /** Open connections stay open and pass no more bytes; with `newOnesToo` new connections neither, until the next call. */
  swallow(options?: { readonly newOnesToo: boolean }): void;
  /** New connections go to that port; open ones stay. */
  leadTo(port: number): void;
  close(): Promise<void>;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  isDead: boolean;
}

export async function startRelay(firstPort: number): Promise<Relay> {
  const pairs = new Set<Pair>();
  let held: "near" | "far" | null = null;
  let port = firstPort;
  let isDeaf = false;
  const server = createServer((near) => {
    const far = connect({ port, host: "127.0.0.1" });
    const pair = { near, far, isDead: isDeaf };
    pairs.add(pair);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.on("data", (bytes) => pair.isDead || other.write(bytes));
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

  function hold(side: "near" | "far"): void {
    held = side;
    for (const pair of pairs) pair[side].pause();
  }
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    holdAnswers: () => hold("far"),
    holdRequests: () => hold("near"),
    resume() {
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
    swallow({ newOnesToo } = { newOnesToo: false }) {
      isDeaf = newOnesToo;
      for (const pair of pairs) pair.isDead = true;
    },
    leadTo: (other) => void (port = other),
    async close() {
      for (const { near, far } of pairs) {
        near.destroy();
        far.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
