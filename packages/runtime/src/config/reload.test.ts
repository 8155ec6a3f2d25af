import { expect } from "chai";
import type { Config } from "./config.ts";
import { loadConfig } from "./load.ts";
import { needsRestart } from "./reload.ts";

function load(yaml: string, node = "n"): Config {
  const result = loadConfig({ yaml, env: {}, flags: {}, node });
  if (!result.ok) throw new Error(result.errors.join("\n"));
  return result.config;
}

const secret = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;
const service = (more = "") => `services: {a: {instances: ['http://h:1']${more}}}`;

describe("reload", () => {
  it("takes over services, instances and routes, and does not mind the node's name", () => {
    const current = load(service(", routes: [{process: {identity: request}}]"));
    for (const next of [
      service(),
      "services: {a: {instances: ['http://h:1', 'http://h:2']}, b: {instances: ['http://h:3']}}",
      service(
        ", routes: [{process: {identity: key}}, {match: {path: /x}, headers: {request: {set: {A: b}}}}]",
      ),
    ])
      expect(needsRestart(current, load(next, "another"))).to.deep.equal([]);
  });

  for (const [what, next, entries] of [
    ["a port", `port: 1\n${service()}`, ["port"]],
    [
      "Redis and limits at once",
      `redis: {profile: dev}\nlimits: {headerLines: 9}\n${service()}`,
      ["limits", "redis"],
    ],
    ["a callback secret", service(`, callbackAuth: {secrets: ['${secret}']}`), ["services.a.callbackAuth"]],
    ["a schema", service(", routes: [{bodySchema: {type: object}}]"), ["services.a.routes.bodySchema"]],
    ["the first cached route", service(", routes: [{cache: {}}]"), ["the first cached route"]],
    [
      "a larger result",
      service(", routes: [{process: {identity: key, maxResultBytes: 9000000}}]"),
      ["a larger process.maxResultBytes"],
    ],
  ] as const)
    it(`a change of ${what} waits for a restart`, () => {
      const current = load(service(", routes: [{process: {identity: key}}]"));
      expect(needsRestart(current, load(next))).to.have.members([...entries]);
    });

  it("a schema and a cache that were there before may stay", () => {
    const yaml = service(", routes: [{bodySchema: {type: object}}, {match: {path: /c}, cache: {}}]");
    expect(needsRestart(load(yaml), load(yaml))).to.deep.equal([]);
  });
});
