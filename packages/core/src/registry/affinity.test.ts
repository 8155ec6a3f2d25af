import { expect } from "chai";
import { affinityValue, instanceFor } from "./affinity.ts";

const at = (name: string, weight = 1) => ({ instance: { name, origin: `http://${name}`, weight } });
const values = Array.from({ length: 3000 }, (_, i) => `session-${i}`);

describe("affinity of a request", () => {
  const headers = [
    ["Cookie", "a=1; io=x"],
    ["Mcp-Session-Id", "m"],
  ] as const;

  for (const { what, affinity, address, value } of [
    { what: "none asked for", affinity: null, address: "192.0.2.1", value: null },
    { what: "the client's address", affinity: "address", address: "192.0.2.1", value: "192.0.2.1" },
    { what: "nobody's address", affinity: "address", address: null, value: null },
    { what: "a cookie", affinity: { cookie: "io" }, address: null, value: "x" },
    { what: "a cookie of another case", affinity: { cookie: "IO" }, address: null, value: null },
    { what: "a field in any case", affinity: { field: "MCP-Session-ID" }, address: null, value: "m" },
    { what: "an absent field", affinity: { field: "x-user" }, address: "192.0.2.1", value: null },
  ] as const)
    it(`${what}: ${value}`, () => {
      expect(affinityValue(affinity, headers, address)).to.equal(value);
    });
});

describe("the instance for a value", () => {
  it("is nobody among none", () => expect(instanceFor([], "a")).to.equal(null));

  it("is the same whatever the order, and all get a share by their weight", () => {
    const all = [at("a"), at("b"), at("c", 2)];
    const counts = new Map<string, number>();
    for (const value of values) {
      const { name } = instanceFor(all, value)!.instance;
      expect(instanceFor(all.toReversed(), value)!.instance.name).to.equal(name);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.get("a")).to.be.within(600, 900);
    expect(counts.get("b")).to.be.within(600, 900);
    expect(counts.get("c")).to.be.within(1300, 1700);
  });

  it("moves the clients of the one that left, and nobody else's", () => {
    const [a, b, c] = [at("a"), at("b"), at("c")];
    const moved = new Set<string>();
    for (const value of values) {
      const before = instanceFor([a, b, c], value)!.instance.name;
      const after = instanceFor([a, c], value)!.instance.name;
      if (before === "b") moved.add(after);
      else expect(after).to.equal(before);
    }
    expect([...moved].toSorted()).to.deep.equal(["a", "c"]);
  });
});
