import { testService } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { allUnknown, ServiceTraffic } from "./traffic.ts";

const instance = (name: string) => ({ name, origin: `http://${name}.test`, weight: 1 });
const nobody: ReadonlySet<string> = new Set();

describe("a service's instances that say 503 with Retry-After", () => {
  let now: number;
  let traffic: ServiceTraffic;
  beforeEach(() => {
    now = 1000;
    traffic = new ServiceTraffic(() => 0.5, { keepAliveMs: 1000, maxHeaderBytes: 16_384 });
  });
  afterEach(() => traffic.close());

  function worldOf(...names: string[]) {
    const service = testService({ instances: names.map(instance) });
    const at = (name: string) => traffic.instance(service, instance(name));
    return {
      at,
      /** The instance refuses a request that was sent at `sentAt`. */
      refuse: (name: string, ms: number, sentAt = now) =>
        traffic.refused(
          { service, health: allUnknown, instance: instance(name), traffic: at(name) },
          ms,
          sentAt,
          (now += 1),
        ),
      /** The instances of so many requests that end before the next one begins. */
      chosen: (count: number) =>
        new Set(
          Array.from(
            { length: count },
            () => traffic.choose(service, allUnknown, nobody, now)?.instance.name,
          ),
        ),
    };
  }

  it("the first refusal gives the instance's connections up, the second one, from a new connection, pauses it", () => {
    const { at, refuse, chosen } = worldOf("a", "b");
    const before = at("a").pool;
    expect(refuse("a", 25_000)).to.deep.equal({ kind: "others" });
    expect(at("a").pool).not.to.equal(before);
    expect(at("a").isPaused(now)).to.equal(false);
    now += 10;
    expect(refuse("a", 25_000)).to.deep.equal({ kind: "others" });
    expect(at("a").isPaused(now)).to.equal(true);
    expect([...chosen(20)]).to.deep.equal(["b"]);
    now += 25_000;
    expect(at("a").isPaused(now)).to.equal(false);
  });

  it("an answer from a new connection clears the doubt: behind the address was another instance", () => {
    const { at, refuse } = worldOf("a");
    refuse("a", 25_000);
    at("a").accepted();
    now += 10;
    expect(refuse("a", 25_000)).to.deep.equal({ kind: "again" });
    expect(at("a").isPaused(now)).to.equal(false);
  });

  it("a refusal of a request that was sent on the old connections does not count as the second one", () => {
    const { at, refuse } = worldOf("a");
    refuse("a", 25_000);
    expect(refuse("a", 25_000, 999)).to.deep.equal({ kind: "again" });
    expect(at("a").isPaused(now)).to.equal(false);
  });

  it("one request makes the try on a new connection; meanwhile the others go to other instances", () => {
    const { at, refuse, chosen } = worldOf("a", "b");
    refuse("a", 25_000);
    at("a").beginTry();
    expect([...chosen(20)]).to.deep.equal(["b"]);
    at("a").endTry();
    at("b").pausedUntil = now + 1000;
    expect([...chosen(20)], "it broke off, and the next one tries").to.deep.equal(["a"]);
  });

  it("only when every usable instance says so is there nothing left to ask, until the first of them is back", () => {
    const { refuse, chosen } = worldOf("a", "b");
    refuse("a", 25_000);
    refuse("a", 25_000);
    expect(refuse("b", 10_000)).to.deep.equal({ kind: "again" });
    expect(refuse("b", 10_000)).to.deep.equal({ kind: "nobody", ms: 10_000 });
    // A plain request is sent all the same: only work that can wait waits.
    expect(chosen(3).has(undefined)).to.equal(false);
  });

  it("a pause is capped at a minute, whatever is asked for", () => {
    const { refuse } = worldOf("a");
    refuse("a", 10 ** 9);
    expect(refuse("a", 10 ** 9)).to.deep.equal({ kind: "nobody", ms: 60_000 });
  });
});
