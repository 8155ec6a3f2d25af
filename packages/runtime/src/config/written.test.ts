import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { stringify } from "yaml";
import { loadConfig } from "./load.ts";
import type { FlagValue } from "./sources.ts";
import { writtenConfig } from "./written.ts";

const demo = readFileSync(join(import.meta.dirname, "../../../../infra/demo/sticky.yaml"), "utf8");
const secret = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;

/** Everything that is written otherwise than it is kept. */
const whole = `
publicUrl: http://gateway.example/
redis: { sentinels: { master: m, nodes: ["[::1]:26379", "h:26379"], db: 3 }, profile: ha }
cache: { purgeToken: purge-token-of-the-operators }
webhooks: { w: { url: "https://h.example/", secrets: ["${secret}"] } }
services:
  spare: { instances: [http://127.0.0.1:4009], match: none }
  open:
    instances: [{ url: "https://b.example", name: b, weight: 2 }]
    match: { host: h.example, headers: { X-Site: "*" } }
    credential: none
    callbackAuth: { mode: none, insecure: true }
    routes:
      - match: { methods: [GET] }
        cache: { negativeTtlMs: { 404: 5000 }, tags: none }
        mirror: { to: spare, mode: dual-read, rate: 0.5, orderKey: { header: X-Key } }
      - headers: { request: { set: { X-A: a } }, response: { set: { X-B: b } } }
        process: { identity: key, key: optional, keyFrom: { json: /a~1b }, fingerprintIgnore: { members: [/n~0], query: [ts] }, resultTtlMs: { 4xx: 9 }, failedWhen: { pointer: /ok, equals: [false, null] }, onUnknown: probe, probe: { path: "/p/{key}" }, pollLocation: true }
        retries: { attempts: 3 }
        bodySchema: { type: object }
  many:
    instances: [http://127.0.0.1:4001]
    match: { host: ["*.many.example", many.example], path: /, query: { v: "2" } }
    routes: [{ match: { host: a.many.example, path: "/:id/*", query: { q: "" } }, cache: {}, encodedSlash: true }]
  work:
    instances: [http://127.0.0.1:4001]
    callbackAuth: { secrets: ["${secret}"] }
    routes:
      - match: { methods: [POST], path: /jobs }
        process:
          identity: request
          completion: callback
          callback:
            inject: { json: /a~1b/c~0d }
            accept: { status: "", result: /data, jobId: { response: /id, callback: /job/id } }
            correlate: { response: /id, callback: /id }
      - match: { methods: [PUT] }
        mirror:
          to: spare
          mode: dual-write
          orderKey: { json: /id }
          compare: { ignore: [/at, "/*/at"], rules: [{ at: /list, kind: keyed, by: /id }, { at: /n, kind: tolerance, amount: 2 }] }
`;

function load(yaml: string | null, flags: Readonly<Record<string, FlagValue>> = {}) {
  const loaded = loadConfig({ yaml, env: {}, flags, node: "n" });
  if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
  return loaded.config;
}

describe("the configuration, written as a file", () => {
  for (const [name, yaml, flags] of [
    ["the demo's", demo, {}],
    ["one with everything that is kept otherwise", whole, {}],
    ["a quick form", null, { origin: "http://127.0.0.1:1", idempotent: true, mirror: "http://127.0.0.1:2" }],
    ["a cached quick form", null, { origin: "http://127.0.0.1:1", cache: true, ttl: "60" }],
  ] as const)
    it(`${name} loads to the same again`, () => {
      const config = load(yaml, flags);
      expect(load(stringify(writtenConfig(config)))).to.deep.equal(config);
    });

  it("does not name the node: the file is for all replicas", () => {
    expect(writtenConfig(load(demo))).to.not.have.property("node");
  });
});
