import { expect } from "chai";
import fc from "fast-check";
import { loadConfig } from "./load.ts";
import { errorsOf, load, none } from "./testing.ts";

describe("configuration: how errors are told", () => {
  it("everything at once, each with its line and its path", () => {
    const yaml = [
      "nonsense: 1",
      "port: 99999",
      "redis: {keyPrefix: 'a{b}:'}",
      "services:",
      "  a:",
      "    instances: [http://u:p@h, http://h/../x]",
      "    colour: red",
      "    callbackAuth: {secrets: [whsec_YWJj]}",
      "    routes:",
      "      - {cache: {defaultTtlMs: -5}, process: {identity: key, leaseMs: 499}}",
      "  b: {}",
    ].join("\n");
    const errors = errorsOf(yaml);
    for (const start of [
      "sticky.yaml:1: nonsense: is not allowed",
      "sticky.yaml:2: port: must be at most",
      "sticky.yaml:3: redis.keyPrefix: must be a word and a colon",
      "sticky.yaml:6: services.a.instances[0]: must be an origin",
      "sticky.yaml:6: services.a.instances[1]: must be an origin",
      "sticky.yaml:7: services.a.colour: is not allowed",
      'sticky.yaml:8: services.a.callbackAuth.secrets[0]: must be "whsec_"',
      "sticky.yaml:10: services.a.routes[0].cache.defaultTtlMs: must be at least 0",
      "sticky.yaml:10: services.a.routes[0].process.leaseMs: must be at least 500",
      "sticky.yaml:10: services.a.routes[0]: a route may not have both cache and process",
      "sticky.yaml:11: services.b.instances: is required",
    ])
      expect(
        errors.some((error) => error.startsWith(start)),
        `${start}\nin\n${errors.join("\n")}`,
      ).to.equal(true);
  });

  it("a mistyped name or word is answered with the nearest known one, an unlike one is not", () => {
    const yaml = [
      "services:",
      "  a:",
      "    instance: ['http://h:1']",
      "    instances: ['http://h:1']",
      "    routes:",
      "      - process: { identity: keys, waitMS: 5, colour: red }",
    ].join("\n");
    expect(errorsOf(yaml)).to.have.members([
      'sticky.yaml:3: services.a.instance: is not allowed (did you mean "instances"?)',
      'sticky.yaml:6: services.a.routes[0].process.identity: must be one of [request, key, none] (did you mean "key"?)',
      'sticky.yaml:6: services.a.routes[0].process.waitMS: is not allowed (did you mean "waitMs"?)',
      "sticky.yaml:6: services.a.routes[0].process.colour: is not allowed",
    ]);
  });

  it("an error names the file as it was given, and the flag or variable that a value came from", () => {
    const result = loadConfig({
      ...none,
      yaml: "port: 99999\nlog: {level: loud}",
      file: "/etc/gw/my.yaml",
      role: "tool",
    });
    expect(!result.ok && result.errors).to.deep.equal([
      "/etc/gw/my.yaml:2: log.level: must be one of [error, warn, info, debug]",
      "/etc/gw/my.yaml:1: port: must be at most 65535",
    ]);
    expect(errorsOf("port: 80", { env: { STICKY_PORT: "70000" }, role: "tool" })).to.deep.equal([
      "STICKY_PORT: port: must be at most 65535",
    ]);
  });

  it("a duplicate service is named by its line, beside the other errors", () => {
    const yaml = "services:\n  a: {instances: ['http://h:1']}\n  a: {instances: ['http://h:2'], x: 1}";
    expect(errorsOf(yaml)).to.deep.equal([
      "sticky.yaml:3: Map keys must be unique",
      "sticky.yaml:3: services.a.x: is not allowed",
    ]);
  });

  it("no service at all", () => {
    expect(errorsOf(null)).to.deep.equal([
      "services: no service is configured: give a configuration file (--config, STICKY_CONFIG) or --origin",
    ]);
  });

  it("a tool that only needs Redis works without services", () => {
    expect(load(null, { role: "tool", env: { REDIS_URL: "redis://h" } }).redis.url).to.equal("redis://h");
  });

  it("mirrors that lead back through a third service", () => {
    const to = (name: string, port: number, secondary: string): string =>
      `  ${name}: {instances: ['http://h:${port}'], routes: [{match: {methods: [GET]}, mirror: {to: ${secondary}, mode: dual-read}}]}`;
    const yaml = ["services:", to("a", 1, "b"), to("b", 2, "c"), to("c", 3, "a")].join("\n");
    expect(errorsOf(yaml)).to.deep.equal([
      "sticky.yaml:4: services.c.routes[0].mirror.to: mirrors of a lead back to c",
    ]);
  });

  it("whatever the file says, the answer is a configuration or a list of errors", () => {
    const word = fc.constantFrom(
      "services",
      "a",
      "instances",
      "routes",
      "process",
      "cache",
      "mirror",
      "to",
      "match",
      "redis",
      "callbackAuth",
      "http://h:1",
      "key",
      "identity",
      "x",
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 7 },
        word,
        fc.integer(),
        fc.constant(null),
        fc.boolean(),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(word, tie("tree"), { maxKeys: 4, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const result = loadConfig({ ...none, yaml: JSON.stringify({ services: value }) });
        return result.ok || result.errors.length > 0;
      }),
      { numRuns: 40 },
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        const result = loadConfig({ ...none, yaml: text });
        return !result.ok && result.errors.length > 0;
      }),
      { numRuns: 40 },
    );
  });
});
