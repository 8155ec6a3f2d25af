import { once } from "node:events";
import { Duplex } from "node:stream";
import { expect } from "chai";
import { joinSockets } from "./join-sockets.ts";

/** A connection whose peer reads only when `read` is called, and to which nobody writes unless `say` is. */
class SlowSocket extends Duplex {
  received = "";
  #taken: (() => void) | null = null;

  constructor() {
    super({ highWaterMark: 4, allowHalfOpen: false });
  }

  setTimeout(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.received += chunk.toString();
    this.#taken = done;
  }

  say(text: string | null): void {
    this.push(text);
  }

  /** Takes the chunk that waits. */
  async takeOne(): Promise<void> {
    const taken = this.#taken;
    this.#taken = null;
    taken?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("a tunnel's two connections", () => {
  let client: SlowSocket;
  let service: SlowSocket;

  beforeEach(() => {
    client = new SlowSocket();
    service = new SlowSocket();
    joinSockets(client as never, service, { idleMs: 50, lifeMs: 60_000 });
  });
  afterEach(() => {
    client.destroy();
    service.destroy();
  });

  for (const side of ["service", "client"] as const) {
    it(`the ${side} closes: the other side gets what it has not yet read, and is closed then`, async () => {
      const [closing, slow] = side === "service" ? [service, client] : [client, service];
      for (const part of ["one ", "two ", "three"]) {
        closing.say(part);
        await new Promise((resolve) => setImmediate(resolve));
      }
      closing.say(null);
      const closed = once(slow, "close");
      for (let i = 0; i < 6; i += 1) await slow.takeOne();
      await closed;
      expect(slow.received).to.equal("one two three");
      expect(closing.destroyed).to.equal(true);
    });
  }

  for (const side of ["service", "client"] as const) {
    it(`the ${side} closes: the other side is closed although it never reads, when the idle time is over`, async () => {
      const [closing, slow] = side === "service" ? [service, client] : [client, service];
      closing.say("unread");
      await new Promise((resolve) => setImmediate(resolve));
      const closed = once(slow, "close");
      closing.destroy();
      await closed;
      expect(slow.destroyed).to.equal(true);
    });
  }

  it("an error on one side closes both at once", async () => {
    const closed = once(client, "close");
    service.destroy(new Error("reset"));
    await closed;
    expect(client.destroyed).to.equal(true);
  });
});
