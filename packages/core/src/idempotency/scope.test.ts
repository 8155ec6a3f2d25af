import { expect } from "chai";
import fc from "fast-check";
import { crc16, partitionOf, scopeOf, type ScopeIdentity } from "./scope.ts";

const scope = (principal: string, service: string, identity: ScopeIdentity, host = ""): string =>
  scopeOf("secret", { principal, service, host, identity });

describe("scopeOf", () => {
  it("is 22 base64url characters", () => {
    expect(scope("", "payments", { kind: "key", key: ": { } * ? [" })).to.match(/^[A-Za-z0-9_-]{22}$/);
  });

  it("differs by principal, service, host, key, kind of identity and secret", () => {
    const scopes = [
      scope("t", "s", { kind: "key", key: "k" }),
      scope("u", "s", { kind: "key", key: "k" }),
      scope("t", "x", { kind: "key", key: "k" }),
      scope("t", "s", { kind: "key", key: "l" }),
      scope("t", "s", { kind: "key", key: "k" }, "north.test"),
      scope("t", "s", { kind: "key", key: "k" }, "south.test"),
      scope("t", "s", { kind: "fingerprint", value: "k" }),
      scope("t", "s", { kind: "random", value: "k" }),
      scopeOf("other", { principal: "t", service: "s", host: "", identity: { kind: "key", key: "k" } }),
    ];
    expect(new Set(scopes).size).to.equal(scopes.length);
  });

  it("never confuses where one part ends and the next begins", () => {
    expect(scope("t", "se", { kind: "key", key: "rvice" })).not.to.equal(
      scope("ts", "e", { kind: "key", key: "rvice" }),
    );
    expect(scope("1:t;", "s", { kind: "key", key: "k" })).not.to.equal(
      scope("1:t", ";s", { kind: "key", key: "k" }),
    );
    const text = fc.string({ maxLength: 5 });
    const input = fc.tuple(text, text, text);
    fc.assert(
      fc.property(input, input, (a, b) => {
        const same =
          scope(a[0], a[1], { kind: "key", key: a[2] }) === scope(b[0], b[1], { kind: "key", key: b[2] });
        expect(same).to.equal(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

describe("partitionOf", () => {
  it("uses the CRC16 of Redis Cluster", () => {
    expect(crc16("123456789")).to.equal(0x31c3);
    expect(crc16("")).to.equal(0);
    // CLUSTER KEYSLOT foo and bar.
    expect(crc16("foo") % 16_384).to.equal(12_182);
    expect(crc16("bar") % 16_384).to.equal(5_061);
  });

  it("spreads scopes over all partitions", () => {
    const counts = new Map<number, number>();
    for (let i = 0; i < 6_400; i++) {
      const partition = partitionOf(scope("t", "s", { kind: "key", key: String(i) }), 64);
      counts.set(partition, (counts.get(partition) ?? 0) + 1);
    }
    expect(counts.size).to.equal(64);
    for (const count of counts.values()) expect(count).to.be.within(50, 160);
  });
});
