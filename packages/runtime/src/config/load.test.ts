import { expect } from "chai";
import { configHash, loadConfig } from "./load.ts";
import { errorsOf, load, minimal, none, route } from "./testing.ts";

describe("configuration: warnings and hash", () => {
  it("warns about loopback callbacks for remote services, and about insecure ones", () => {
    const yaml =
      "services: {a: {instances: ['http://h:1'], callbackAuth: {mode: none, insecure: true}, routes: [{process: {identity: request}}]}}";
    const result = loadConfig({ ...none, yaml });
    expect(result.ok && result.warnings.map((warning) => warning.split(/[ :]/)[0])).to.deep.equal([
      "publicUrl",
      "services.a.callbackAuth",
      "hosts",
    ]);
  });

  it("warns where every host is answered, unless only this machine reaches the gateway", () => {
    const warned = (more: string): unknown => {
      const result = loadConfig({ ...none, yaml: `${more}\n${minimal}` });
      return result.ok && result.warnings.some((warning) => warning.startsWith("hosts is empty"));
    };
    expect(warned("")).to.equal(true);
    expect(warned("host: 10.0.0.1")).to.equal(true);
    for (const quiet of ["hosts: [api.test]", "host: 127.0.0.1", "host: '::1'", "host: localhost"])
      expect(warned(quiet), quiet).to.equal(false);
  });

  it("the quick form listens on loopback unless told otherwise", () => {
    const hostOf = (flags: Record<string, string>, env: Record<string, string> = {}): unknown => {
      const result = loadConfig({
        ...none,
        yaml: null,
        flags: { origin: "http://127.0.0.1:1", ...flags },
        env,
      });
      return result.ok && result.config.host;
    };
    expect(hostOf({})).to.equal("127.0.0.1");
    expect(hostOf({ host: "0.0.0.0" })).to.equal("0.0.0.0");
    expect(hostOf({}, { STICKY_HOST: "10.0.0.1" })).to.equal("10.0.0.1");
    expect(load(minimal).host).to.equal(null);
  });

  it("warns where copies of a service's writes are ordered by unlike keys", () => {
    const yaml = (second: string): string =>
      `host: 127.0.0.1
services: {a: {instances: ['http://127.0.0.1:1'], routes: [
         {match: {methods: [POST]}, mirror: {to: b, mode: dual-write, orderKey: {path: /users}}},
         {match: {methods: [PUT]}, mirror: {to: b, mode: dual-write${second}}},
         {match: {methods: [GET]}, mirror: {to: b, mode: dual-read}}]},
       b: {instances: ['http://127.0.0.1:2'], match: none}}`;
    const warned = (text: string): unknown => {
      const result = loadConfig({ ...none, yaml: text });
      return result.ok && result.warnings;
    };
    expect(warned(yaml(", orderKey: {path: /users}"))).to.deep.equal([]);
    expect(warned(yaml(""))).to.have.length(1);
  });

  it("the hash is the same on every replica and changes with what they share", () => {
    const hash = configHash(load(minimal));
    expect(configHash(load(minimal, { node: "node-2", flags: { port: "1", "ops-port": "2" } }))).to.equal(
      hash,
    );
    expect(configHash(load(route("{headers: {request: {set: {X-A: b}}}}")))).to.not.equal(
      configHash(load(route("{headers: {request: {set: {X-A: c}}}}"))),
    );
  });

  for (const address of [
    "203.0.113.9",
    "[2001::1]",
    "100.100.100.200",
    "[fd00:ec2::254]",
    "[64:ff9b::a9fe:a9fe]",
    "192.0.2.1",
  ])
    for (const allowPrivate of [false, true])
      it(`refuses a webhook at ${address}, which the guard never calls${allowPrivate ? ", also where private ones are allowed" : ""}`, () => {
        const yaml = `webhooks: {w: {url: "http://${address}/", secret: whsec_${"c2VjcmV0".repeat(4)}, allowPrivate: ${allowPrivate}}}`;
        expect(errorsOf(yaml, { role: "tool" }).join()).to.match(
          /webhooks\.w\.url: (?:is an address that is never called|must not be a link-local)/,
        );
      });
});
