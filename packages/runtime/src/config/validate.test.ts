import { expect } from "chai";
import { loadConfig } from "./load.ts";
import { validate } from "./validate.ts";

function errorsOf(yaml: string): readonly string[] {
  const loaded = loadConfig({ yaml, env: {}, flags: {}, node: "n", role: "tool" });
  return loaded.ok ? [] : loaded.errors.map((line) => line.replace(/^sticky\.yaml:\d+: /, ""));
}

const withRoutes = (routes: string): string =>
  `services: {a: {instances: ["http://h:1"], routes: ${routes}}}`;

describe("the part of a configuration that the schema accepts", () => {
  it("a refused entry has its default, and a refused item leaves a hole in its list", () => {
    const { valid, sound } = validate({ port: "x", opsPort: 7, hosts: ["a", 5, "b"] });
    expect(valid).to.equal(null);
    expect(sound).to.include({ port: 8080, opsPort: 7 });
    expect(sound.hosts).to.deep.equal(["a", undefined, "b"]);
  });

  it("values are read as in a valid configuration, beside a refused one too", () => {
    const { sound } = validate({
      services: {
        a: { instances: ["http://h:1"], credential: ["X-User", 1], routes: [{}, { nonsense: 1 }] },
      },
    });
    expect(sound.services.a?.instances).to.deep.equal([{ url: "http://h:1", weight: 1 }]);
    expect(sound.services.a?.credential).to.deep.equal(["x-user", undefined]);
    expect(sound.services.a?.routes).to.have.lengthOf(2);
  });

  it("a missing entry that is required hides no broken relation beside it", () => {
    expect(errorsOf('webhooks: {w: {url: "http://192.168.1.1/"}}')).to.deep.equal([
      "webhooks.w.secrets: is required",
      "webhooks.w.url: is a private address; say allowPrivate: true if that is meant",
    ]);
  });

  it("a broken relation of a later route keeps its place behind a refused route", () => {
    expect(errorsOf(withRoutes("[5, {cache: {}, process: {identity: key}}]"))).to.deep.equal([
      "services.a.routes[0]: must be a mapping",
      "services.a.routes[1]: a route may not have both cache and process",
    ]);
  });

  for (const [what, yaml] of [
    ["a range whose end was refused", withRoutes("[{retries: {minMs: 20000, maxMs: x}}]")],
    ["a key without an identity that is known", withRoutes("[{process: {identity: x, key: optional}}]")],
    [
      "a mode whose secrets were refused",
      "services: {a: {instances: ['http://h:1'], callbackAuth: {mode: both, secrets: 5}}}",
    ],
    [
      "a mirror to a service that was refused",
      `${withRoutes("[{mirror: {to: b, mode: shadow}}]").slice(0, -1)}, b: 5}`,
    ],
    ["ports of which one was refused", "{port: x, opsPort: 8080}"],
  ] as const)
    it(`${what} is not judged`, () => expect(errorsOf(yaml)).to.have.lengthOf(1));
});
