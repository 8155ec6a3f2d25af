import { expect } from "chai";
import { loadConfig } from "./load.ts";
import { errorsOf, load, minimal, none, service } from "./testing.ts";

describe("configuration: defaults < YAML < environment < flags", () => {
  it("the later source wins", () => {
    const yaml = `port: 1000\nlog: {level: warn}\n${minimal}`;
    expect(load(yaml).port).to.equal(1000);
    expect(load(yaml, { env: { STICKY_PORT: "2000" } }).port).to.equal(2000);
    expect(load(yaml, { env: { STICKY_PORT: "2000" }, flags: { port: "3000" } }).port).to.equal(3000);
    expect(load(yaml, { env: { STICKY_LOG_LEVEL: "debug" } }).log.level).to.equal("debug");
    expect(load(yaml, { env: { STICKY_PORT: "" } }).port).to.equal(1000);
  });

  it("REDIS_URL and --redis set the state store", () => {
    expect(load(minimal, { env: { REDIS_URL: "redis://h:1" } }).redis.url).to.equal("redis://h:1");
    const flags = { redis: "redis://h:2" };
    expect(load(minimal, { env: { REDIS_URL: "redis://h:1" }, flags }).redis.url).to.equal("redis://h:2");
  });

  it("a setting that is no number, or out of range, is named by where it came from", () => {
    expect(errorsOf(minimal, { env: { STICKY_PORT: "80x" } })).to.deep.equal([
      "STICKY_PORT: must be a whole number",
    ]);
    expect(errorsOf(minimal, { flags: { port: "70000" } })).to.deep.equal([
      "--port: port: must be at most 65535",
    ]);
    expect(errorsOf(minimal, { env: { STICKY_CACHE: "maybe" } })).to.deep.equal([
      "STICKY_CACHE: must be true or false",
    ]);
  });

  it("an environment variable that looks like ours and is not known is warned about", () => {
    const result = loadConfig({
      ...none,
      yaml: `host: 127.0.0.1\n${minimal}`,
      env: { STICKY_PROT: "1", STICKY_PROXY_PORT: "tcp://10.0.0.1:80", STICKY_SECRET_X: "s", PATH: "/bin" },
    });
    expect(result.ok && result.warnings).to.deep.equal([
      "environment variable STICKY_PROT is not known and was not used",
    ]);
  });

  it("a secret may stand in the environment; a missing one is an error at its place", () => {
    const token = "t".repeat(32);
    const yaml = service("callbackAuth: {sharedToken: {env: STICKY_SECRET_A}}");
    expect(load(yaml, { env: { STICKY_SECRET_A: token } }).services[0]?.callbackAuth.sharedToken).to.equal(
      token,
    );
    expect(errorsOf(yaml)).to.include(
      "sticky.yaml:4: services.a.callbackAuth.sharedToken: environment variable STICKY_SECRET_A is not set",
    );
  });
});
