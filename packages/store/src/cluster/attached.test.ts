import { expect } from "chai";
import { attachedReplicas, AttachedSet, type Whereabouts } from "./attached.ts";
import { parseInfo } from "./info.ts";

const info = (...lines: string[]) => attachedReplicas(parseInfo(lines.join("\r\n")));

describe("the replicas that have to confirm", () => {
  it("are those that are online; one without a sign of life for seconds is not waited for", () => {
    expect(
      info(
        "connected_slaves:4",
        "slave0:ip=10.0.0.1,port=1,state=online,offset=5,lag=0",
        "slave1:ip=10.0.0.2,port=2,state=online,offset=5,lag=3",
        "slave2:ip=10.0.0.3,port=3,state=online,offset=1,lag=4",
        "slave3:ip=10.0.0.4,port=4,state=wait_bgsave,offset=0,lag=0",
        "slave_read_only:1",
      ),
    ).to.deep.equal([
      { address: "10.0.0.1:1", isFresh: true },
      { address: "10.0.0.2:2", isFresh: true },
      { address: "10.0.0.3:3", isFresh: false },
    ]);
  });

  const both = [
    { address: "a:1", isFresh: true },
    { address: "b:2", isFresh: true },
  ];
  for (const [is, untilMs] of [
    ["gone", 0],
    ["waiting", 0],
    ["silent", 5000],
    ["primary", 60_000],
    ["elsewhere", 60_000],
  ] as const satisfies readonly (readonly [Whereabouts, number])[])
    it(`one that has left and is ${is} holds everything up for ${untilMs} ms, and is forgotten then`, () => {
      const set = new AttachedSet();
      expect(set.saw(both, 0)).to.deep.equal([]);
      expect(set.saw(both.slice(0, 1), 1000)).to.deep.equal(["b:2"]);
      for (const now of untilMs === 0 ? [] : [1000, 1000 + untilMs - 1]) {
        expect(set.judge("b:2", is, now), String(now)).to.contain("b:2");
        expect(set.saw(both.slice(0, 1), now)).to.deep.equal(["b:2"]);
      }
      expect(set.judge("b:2", is, 1000 + untilMs)).to.equal(null);
      expect(set.saw(both.slice(0, 1), 1000 + untilMs)).to.deep.equal([]);
    });

  it("one that comes back counts again, and its next absence begins anew", () => {
    const set = new AttachedSet();
    set.saw(both, 0);
    set.saw(both.slice(0, 1), 1000);
    set.saw(both, 2000);
    expect(set.saw(both.slice(0, 1), 90_000)).to.deep.equal(["b:2"]);
    expect(set.judge("b:2", "primary", 90_000)).to.contain("b:2");
  });
});
