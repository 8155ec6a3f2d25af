import { createManualClock } from "@sticky-proxy/core/testing";
import { asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { createOtherKeys, otherKeyWindowMs, type KeyedStart } from "./other-keys.ts";

const start = (over: Partial<KeyedStart> = {}): KeyedStart => ({
  service: "s",
  fingerprint: "f",
  credential: "c",
  scope: asScope("one"),
  processId: "p1",
  ...over,
});
const again = (over: Partial<KeyedStart> = {}): KeyedStart =>
  start({ scope: asScope("two"), processId: "p2", ...over });

describe("equal requests under other keys", () => {
  it("names the process of the earlier key while the window lasts", () => {
    const clock = createManualClock();
    const keys = createOtherKeys(clock.monotonic);
    expect(keys.note(start())).to.equal(null);
    clock.advance(otherKeyWindowMs - 1);
    expect(keys.note(again())).to.equal("p1");
    clock.advance(otherKeyWindowMs);
    expect(keys.note(start())).to.equal(null);
  });

  it("knows nothing of another service, payload or caller, or of the same key", () => {
    const keys = createOtherKeys(() => 0);
    keys.note(start());
    for (const other of [{ service: "t" }, { fingerprint: "g" }, { credential: "d" }])
      expect(keys.note(again(other))).to.equal(null);
    expect(keys.note(start({ processId: "p3" }))).to.equal(null);
    expect(keys.note(again())).to.equal("p3");
  });

  it("remembers ten thousand requests and forgets the oldest", () => {
    const keys = createOtherKeys(() => 0);
    keys.note(start());
    for (let i = 0; i < 10_000; i++) keys.note(start({ fingerprint: String(i) }));
    expect(keys.note(again())).to.equal(null);
    expect(keys.note(again({ fingerprint: "9999" }))).to.equal("p1");
  });
});
