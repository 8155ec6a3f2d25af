/**
 * A wire between the nodes and Redis that a test can close in one direction: Redis gets and does what it is told, and
 * its answers wait here. Bytes keep their order; none is dropped.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Relay {
  readonly url: string;
  /** Answers wait from now on. */
  holdAnswers(): void;
  /** Answers held back go out, and later ones at once. */
  letAnswersGo(): void;
  close(): Promise<void>;
}

export async function startRelay(port: number): Promise<Relay> {
  const pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  let holds = false;
  const server = createServer((near) => {
    const far = connect({ port, host: "127.0.0.1" });
    const pair = { near, far };
    pairs.add(pair);
    near.pipe(far);
    far.on("data", (bytes) => near.write(bytes));
    if (holds) far.pause();
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    holdAnswers() {
      holds = true;
      for (const { far } of pairs) far.pause();
    },
    letAnswersGo() {
      holds = false;
      for (const { far } of pairs) far.resume();
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
