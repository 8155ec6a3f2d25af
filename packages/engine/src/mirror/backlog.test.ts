import type { Lag } from "@sticky-proxy/core/mirror";
import { expect } from "chai";
import { createBacklog } from "./backlog.ts";

const bounds = { entries: 2, bytes: null, ageMs: 60_000 };
const lagOf = (entries: number): ReadonlyMap<string, Lag> =>
  new Map([["users", { entries, bytes: 0, parkedKeys: 0, oldestMs: null }]]);

describe("the backlog of copies", () => {
  it("counts what this node has added since it looked last", async () => {
    const backlog = createBacklog(() => ({ limit: null, share: null }));
    expect(backlog.hasRoom("users", bounds, 1)).to.equal(true);
    backlog.added("users", 1);
    backlog.added("users", 1);
    expect(backlog.hasRoom("users", bounds, 1)).to.equal(false);
    expect(backlog.hasRoom("others", bounds, 1), "a service has its own").to.equal(true);
    await backlog.refresh({ lag: () => Promise.resolve(lagOf(1)) });
    expect(backlog.hasRoom("users", bounds, 1)).to.equal(true);
    expect(backlog.lag.get("users")?.entries).to.equal(1);
  });

  it("does not forget what was added while it looked", async () => {
    const backlog = createBacklog(() => ({ limit: null, share: null }));
    const { promise, resolve } = Promise.withResolvers<ReadonlyMap<string, Lag>>();
    backlog.added("users", 1);
    const looking = backlog.refresh({ lag: () => promise });
    backlog.added("users", 1);
    resolve(lagOf(1));
    await looking;
    expect(backlog.hasRoom("users", bounds, 1)).to.equal(false);
  });

  it("goes on with what it knew where the store does not answer", async () => {
    const backlog = createBacklog(() => ({ limit: null, share: null }));
    backlog.added("users", 1);
    backlog.added("users", 1);
    await backlog.refresh({ lag: () => Promise.reject(new Error("away")) }).catch(() => undefined);
    expect(backlog.hasRoom("users", bounds, 1)).to.equal(false);
  });
});
