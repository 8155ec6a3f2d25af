import { expect } from "chai";
import { createPurgeAccess, type PurgeToken } from "./purge-access.ts";

const any: PurgeToken = { token: "for-all", services: [], peers: [] };
const shop: PurgeToken = { token: "for-shop", services: ["shop"], peers: ["10.0.0.0/8"] };
function world() {
  let now = 0;
  const access = createPurgeAccess({ tokens: [any, shop], perSecond: 2, monotonic: () => now });
  return { access, pass: (ms: number) => void (now += ms) };
}

describe("who may PURGE", () => {
  it("is who has a token, within the services and from the addresses that it is for", () => {
    const { access } = world();
    const whole = access.grant("Bearer for-all", "192.0.2.1");
    expect([whole?.isForAll, whole?.mayPurge("blog")]).to.deep.equal([true, true]);
    const part = access.grant("bearer  for-shop", "10.1.2.3");
    expect([part?.isForAll, part?.mayPurge("shop"), part?.mayPurge("blog")]).to.deep.equal([
      false,
      true,
      false,
    ]);
    expect(access.grant("Bearer for-shop", "192.0.2.1")).to.equal(null);
    for (const wrong of [null, "", "Bearer", "Bearer for-al", "Basic for-all", "Bearer for-all more"])
      expect(access.grant(wrong, "10.1.2.3"), String(wrong)).to.equal(null);
  });

  it("may do it so often: twice the rate at once, then at the rate, each address for itself", () => {
    const { access, pass } = world();
    for (let i = 0; i < 4; i += 1) expect(access.take("a", "purge")).to.equal(null);
    expect(access.take("a", "purge")).to.equal(1);
    expect(access.take("b", "purge")).to.equal(null);
    pass(1000);
    expect([access.take("a", "purge"), access.take("a", "purge"), access.take("a", "purge")]).to.deep.equal([
      null,
      null,
      1,
    ]);
  });

  it("is refused ten times, then told to wait", () => {
    const { access, pass } = world();
    for (let i = 0; i < 10; i += 1) expect(access.take("a", "refusal")).to.equal(null);
    expect(access.take("a", "refusal")).to.equal(5);
    expect(access.take("a", "purge"), "purges are counted apart").to.equal(null);
    pass(5000);
    expect(access.take("a", "refusal")).to.equal(null);
  });
});
