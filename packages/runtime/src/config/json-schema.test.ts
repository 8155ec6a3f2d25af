import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "chai";
import { parse } from "yaml";
import { configJsonSchema } from "./json-schema.ts";

const validate = new Ajv2020({ strict: true, strictTypes: false }).compile(configJsonSchema());
const demo = readFileSync(join(import.meta.dirname, "../../../../infra/demo/sticky.yaml"), "utf8");

const withRoute = (entries: string): string =>
  `services: {a: {instances: [http://h:1], routes: [{${entries}}]}}`;
const mirrorBy = (orderKey: string): string => `mirror: {to: b, mode: dual-write, orderKey: ${orderKey}}`;

describe("the configuration's JSON Schema", () => {
  it("takes the demo's configuration", () => {
    validate(parse(demo));
    expect(validate.errors ?? []).to.deep.equal([]);
  });

  for (const [what, yaml, isValid] of [
    ["an unknown name", "nonsense: 1", false],
    ["an unknown name of a route", "services: {a: {instances: [http://h:1], routes: [{proces: {}}]}}", false],
    ["a word outside the list", "log: {level: loud}", false],
    ["a port above the highest", "port: 70000", false],
    ["a service without instances", "services: {a: {}}", false],
    ["an instance as text", "services: {a: {instances: [http://h:1]}}", true],
    ["an instance as a mapping", "services: {a: {instances: [{url: http://h:1, weight: 2}]}}", true],
    ["null where none is meant", "services: {a: {instances: [http://h:1], health: null}}", true],
    ["null where a value is needed", "port: null", false],
    ["a secret from the environment", "cache: {purgeToken: {env: STICKY_SECRET_PURGE}}", true],
    ["a secret from a variable of another name", "cache: {purgeToken: {env: HOME}}", false],
    ["a JSON Schema for bodies", withRoute("bodySchema: {type: object, properties: {a: {}}}"), true],
    ["a service name in capitals", "services: {Pay: {instances: [http://h:1]}}", false],
    ["a webhook name with an underscore", "webhooks: {a_b: {url: http://h/, secrets: [whsec_x]}}", false],
    ["a lifetime by error status", withRoute("cache: {negativeTtlMs: {404: 5000}}"), true],
    ["a lifetime by a status that is no error", withRoute("cache: {negativeTtlMs: {200: 5000}}"), false],
    ["a header to set whose name is a token", withRoute("headers: {request: {set: {X-A.b: v}}}"), true],
    ["a header to set whose name is no token", withRoute("headers: {request: {set: {'X A': v}}}"), false],
    ["an order key of one member", withRoute(mirrorBy("{header: X-User}")), true],
    ["an order key of no member", withRoute(mirrorBy("{}")), false],
    ["an order key of two members", withRoute(mirrorBy("{header: X-User, json: /id}")), false],
  ] as const)
    it(`${isValid ? "takes" : "refuses"} ${what}`, () => {
      expect(validate(parse(yaml)), JSON.stringify(validate.errors)).to.equal(isValid);
    });

  it("tells the meaning and the default of an entry", () => {
    const { properties } = configJsonSchema() as {
      properties: Record<string, { description?: string; default?: unknown }>;
    };
    expect(properties.port).to.include({ default: 8080 });
    expect(properties.port?.description).to.be.a("string");
  });
});
