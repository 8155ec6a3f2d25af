import { expect } from "chai";
import { parseInfo } from "./info.ts";
import { type Facts, judge, type Profile } from "./profile.ts";

const settings = {
  maxmemory: "1000",
  "maxmemory-policy": "noeviction",
  appendonly: "yes",
  appendfsync: "always",
  "no-appendfsync-on-rewrite": "no",
  "min-replicas-to-write": "1",
  "min-replicas-max-lag": "10",
  "proto-max-bulk-len": "536870912",
  "hash-max-listpack-value": "64",
  "hash-max-listpack-entries": "128",
  "busy-reply-threshold": "5000",
};
const info = {
  redis_version: "7.4.1",
  role: "master",
  loading: "0",
  maxmemory: "1000",
  maxmemory_policy: "noeviction",
  used_memory: "100",
  aof_enabled: "1",
  aof_last_write_status: "ok",
  aof_last_bgrewrite_status: "ok",
  aof_delayed_fsync: "0",
  connected_slaves: "1",
  slave0: "ip=127.0.0.1,port=6380,state=online,offset=1,lag=0",
};

function found(
  profile: Profile,
  wrong: { settings?: Record<string, string>; info?: Record<string, string>; clockAheadMs?: number } = {},
  strict = false,
): string[] {
  const facts: Facts = {
    settings: new Map(Object.entries({ ...settings, ...wrong.settings })),
    info: new Map(Object.entries({ ...info, ...wrong.info })),
    delayedFsyncBefore: 0,
    clockAheadMs: wrong.clockAheadMs ?? 0,
  };
  return judge(facts, profile, strict).map(({ severity, setting }) => `${severity} ${setting}`);
}

describe("profile checks", () => {
  it("a correctly configured Redis has no findings", () => {
    for (const profile of ["standard", "ha", "ha+quorum"] as const) expect(found(profile)).to.deep.equal([]);
    expect(found("dev", { settings: { appendfsync: "everysec" } })).to.deep.equal([]);
  });

  const wrong: [Parameters<typeof found>[1], string][] = [
    [{ settings: { "maxmemory-policy": "allkeys-lru" } }, "wrong maxmemory-policy"],
    [{ settings: { maxmemory: "0" } }, "wrong maxmemory"],
    [{ settings: { appendonly: "no" } }, "wrong appendonly"],
    [{ settings: { appendfsync: "everysec" } }, "wrong appendfsync"],
    [{ settings: { "no-appendfsync-on-rewrite": "yes" } }, "wrong no-appendfsync-on-rewrite"],
    [{ settings: { "proto-max-bulk-len": "1048576" } }, "wrong proto-max-bulk-len"],
    [{ settings: { "hash-max-listpack-value": "32" } }, "warn hash-max-listpack-value"],
    [{ settings: { "busy-reply-threshold": "10000" } }, "warn busy-reply-threshold"],
    [{ info: { redis_version: "6.2.14" } }, "refuse version"],
    [{ info: { role: "slave" } }, "wrong role"],
    [{ info: { loading: "1" } }, "wrong loading"],
    [{ info: { aof_last_write_status: "err" } }, "wrong aof_last_write_status"],
    [{ info: { used_memory: "900" } }, "warn memory"],
    [{ info: { aof_delayed_fsync: "7" } }, "warn aof_delayed_fsync"],
    [{ clockAheadMs: -6000 }, "warn clock"],
  ];
  for (const [what, finding] of wrong) {
    it(`standard: ${JSON.stringify(what)} is "${finding}"`, () => {
      expect(found("standard", what)).to.deep.equal([finding]);
    });
  }

  it("profile dev turns findings about durability into warnings, but not those about eviction", () => {
    expect(found("dev", { settings: { appendonly: "no", appendfsync: "no" } })).to.deep.equal([
      "warn appendonly",
      "warn appendfsync",
    ]);
    expect(found("dev", { settings: { "maxmemory-policy": "allkeys-lru" } })).to.deep.equal([
      "wrong maxmemory-policy",
    ]);
  });

  it("profile ha requires replicas, and a server with WAITAOF", () => {
    expect(
      found("ha", { settings: { "min-replicas-to-write": "0" }, info: { connected_slaves: "0" } }),
    ).to.deep.equal(["wrong min-replicas-to-write", "wrong replicas"]);
    expect(found("ha", { info: { redis_version: "7.0.15" } })).to.deep.equal(["warn version"]);
    expect(found("ha", { info: { slave0: "ip=a,port=1,state=online,offset=1,lag=9" } })).to.deep.equal([
      "warn replica lag",
    ]);
  });

  it("without CONFIG the settings come from INFO, and invisible ones are a warning, or wrong when strict", () => {
    const facts: Facts = {
      settings: new Map(),
      info: new Map(Object.entries(info)),
      delayedFsyncBefore: null,
      clockAheadMs: 0,
    };
    const lenient = judge(facts, "standard", false);
    expect(lenient.every(({ severity }) => severity === "warn")).to.equal(true);
    expect(lenient.map(({ setting }) => setting))
      .to.include("appendfsync")
      .and.not.include("maxmemory-policy");
    expect(judge(facts, "standard", true)[0]).to.deep.include({ severity: "wrong", found: "not visible" });
  });

  it("parses the lines of INFO", () => {
    expect([...parseInfo("# Server\r\nredis_version:7.0.15\r\nslave0:ip=a,port=1\r\n\r\n")]).to.deep.equal([
      ["redis_version", "7.0.15"],
      ["slave0", "ip=a,port=1"],
    ]);
  });
});
