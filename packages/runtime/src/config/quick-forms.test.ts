import { expect } from "chai";
import type { Sources } from "./sources.ts";
import { errorsOf, load, minimal } from "./testing.ts";

describe("configuration: quick forms", () => {
  const origin = "http://127.0.0.1:8000";
  const upgrades = ["GET / upgrade=websocket", true] as const;
  const quick = (flags: Sources["flags"]) => load(null, { flags: { origin, ...flags } }).services;

  it("--origin alone proxies every path plainly", () => {
    const [only, ...others] = quick({});
    expect(others).to.deep.equal([]);
    expect(only).to.deep.include({ name: "origin", match: { host: null, path: "/" }, preserveHost: true });
    expect(only?.routes.map(({ name, allowUpgrade }) => [name, allowUpgrade])).to.deep.equal([upgrades]);
  });

  it("--idempotent: a key on any method and path, optional", () => {
    const [only] = quick({ idempotent: true });
    expect(only?.routes).to.have.length(2);
    expect(only?.routes[1]).to.deep.include({ match: { methods: [], path: "/" } });
    expect(only?.routes[1]?.process).to.include({ identity: "key", key: "optional" });
    expect(only?.routes[1]).to.include({ maxBodyBytes: 1_048_576, boundsKeptOnly: true });
  });

  it("--cache --ttl --cache-profile: one cached route that sees unsafe methods too", () => {
    const [only] = quick({ cache: true, ttl: "60", "cache-profile": "conformance" });
    expect(only?.routes).to.have.length(2);
    expect(only?.routes[1]?.cache).to.include({ defaultTtlMs: 60_000, profile: "conformance" });
    expect(only?.routes[1]?.match.methods).to.deep.equal([]);
  });

  it("--cache --idempotent: reads are cached, the rest has keys", () => {
    const [only] = quick({ cache: true, idempotent: true });
    expect(
      only?.routes.map(({ name, cache, process }) => [name, cache !== null, process !== null]),
    ).to.deep.equal([
      ["GET / upgrade=websocket", false, false],
      ["GET,HEAD /", true, false],
      ["* /", false, true],
    ]);
  });

  it("--mirror: writes go to both durably, reads are compared, no client reaches the second", () => {
    const services = quick({ mirror: "http://127.0.0.1:8001" });
    const modes = services.flatMap(({ routes }) => routes.map(({ name, mirror }) => [name, mirror?.mode]));
    expect(modes).to.deep.equal([
      ["GET / upgrade=websocket", undefined],
      ["GET,HEAD /", "dual-read"],
      ["* /", "dual-write"],
    ]);
    expect(services.find(({ name }) => name === "mirror")?.match.host).to.equal("");
    const keys = services.flatMap(({ routes }) => routes.flatMap(({ mirror }) => mirror?.orderKey ?? []));
    expect(keys).to.deep.equal([{ path: "/" }, { path: "/" }]);
  });

  it("Redis is the local one unless another is named", () => {
    const config = load(null, { flags: { origin } });
    expect(config.redis.url).to.equal("redis://127.0.0.1:6379");
  });

  it("refuses halves of a quick form", () => {
    expect(errorsOf(null, { flags: { cache: true } })).to.include("--cache: needs --origin");
    expect(errorsOf(null, { flags: { origin, ttl: "60" } })).to.deep.equal(["--ttl: needs --cache"]);
    expect(errorsOf(null, { flags: { origin, "cache-profile": "safe" } })).to.deep.equal([
      "--cache-profile: needs --cache",
    ]);
    expect(errorsOf(null, { flags: { origin, cache: true, ttl: "-1" } }).join()).to.match(
      /--ttl: must be at least 0/,
    );
    expect(errorsOf(minimal, { flags: { origin } })).to.deep.equal([
      "--origin: stands alone: the configuration already has services",
    ]);
  });
});
