import { expect } from "chai";
import { parse } from "yaml";
import { loadConfig } from "./load.ts";
import { configText, redactedConfig } from "./redacted.ts";

const secret = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
const shared = "shared-token-of-the-service";
const purge = "purge-token-of-the-operators";
const yaml = `
redis: {url: "redis://user:hunter22@h:6379/1"}
cache: {purgeToken: ${purge}}
webhooks: {w: {url: "https://h.example/", secrets: ["${secret}"]}}
services:
  a:
    instances: [http://127.0.0.1:4001]
    callbackAuth: {secrets: ["${secret}"], sharedToken: ${shared}}
    routes:
      - headers: {request: {set: {Authorization: Bearer upstream-credential}}}
      - match: {path: /p}
        process: {identity: none, callback: {inject: {json: /callback_url}}}
`;

function config() {
  const result = loadConfig({ yaml, env: {}, flags: {}, node: "n" });
  if (!result.ok) throw new Error(result.errors.join("\n"));
  return result.config;
}

describe("print-config", () => {
  it("shows no secret, in no spelling", () => {
    const text = configText(config());
    for (const hidden of [secret, secret.slice(6), shared, purge, "hunter22", "upstream-credential"])
      expect(text).to.not.contain(hidden);
    expect(text).to.contain("redis://user:redacted@h:6379/1");
  });

  it("shows everything else, in the words of the file", () => {
    const shown = parse(configText(config())) as Record<string, unknown>;
    expect(shown).to.deep.equal(JSON.parse(JSON.stringify(redactedConfig(config()))));
    expect(shown).to.have.nested.property(
      "services.a.routes[0].headers.request.set.authorization",
      "[redacted]",
    );
    expect(shown).to.have.nested.property("port", 8080);
  });

  it("null stays null, so that one sees that a secret is not set", () => {
    const result = loadConfig({ yaml: null, env: {}, flags: { origin: "http://127.0.0.1:1" }, node: "n" });
    expect(result.ok && redactedConfig(result.config)).to.have.nested.property("cache.purgeToken", null);
  });
});
