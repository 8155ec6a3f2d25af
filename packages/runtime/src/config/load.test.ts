import { expect } from "chai";
import fc from "fast-check";
import type { Config } from "./config.ts";
import { configHash, loadConfig } from "./load.ts";
import type { Sources } from "./sources.ts";

const none: Sources = { yaml: null, env: {}, flags: {}, node: "node-1" };

function load(yaml: string | null, more: Partial<Sources> = {}): Config {
  const result = loadConfig({ ...none, yaml, ...more });
  if (!result.ok) throw new Error(result.errors.join("\n"));
  return result.config;
}

function errorsOf(yaml: string | null, more: Partial<Sources> = {}): readonly string[] {
  const result = loadConfig({ ...none, yaml, ...more });
  return result.ok ? [] : result.errors;
}

const minimal = "services: {a: {instances: [http://127.0.0.1:4001]}}";

/** One service `a` with these YAML lines below it. */
function service(...lines: string[]): string {
  return [
    "services:",
    "  a:",
    "    instances: [http://127.0.0.1:4001]",
    ...lines.map((line) => `    ${line}`),
  ].join("\n");
}

/** One route of it. */
function route(text: string): string {
  return service("routes:", `  - ${text}`);
}

function firstRoute(text: string) {
  const found = load(route(text)).services[0]?.routes[0];
  if (found === undefined) throw new Error("no route");
  return found;
}

describe("configuration: defaults", () => {
  it("identity request: 202 at once, force allowed, an unknown end releases", () => {
    const { process, maxBodyBytes, retries, name } = firstRoute(
      "{match: {methods: [POST]}, process: {identity: request}}",
    );
    expect(process).to.deep.include({
      waitMs: 0,
      force: true,
      onWaitEnd: "accepted",
      onUnknown: { cut: "release", timeout: "release", lost: "release", answered: "fail" },
      keepServerErrors: false,
      restartCancelled: true,
      keepRequest: true,
      leaseMs: 30_000,
      resultTtlMs: 86_400_000,
      tombstoneMs: 86_400_000,
      maxResultBytes: 1_048_576,
      deadlineMs: null,
      storedHeaders: [],
    });
    expect(maxBodyBytes).to.equal(1_048_576);
    expect(retries).to.deep.equal({ attempts: 1, minMs: 200, maxMs: 10_000 });
    expect(name).to.equal("POST /");
  });

  it("identity key: the client is held, a cut releases, a time-out and a lost node keep the failure", () => {
    expect(firstRoute("{process: {identity: key}}").process).to.deep.include({
      key: "required",
      waitMs: 60_000,
      force: false,
      onWaitEnd: "timeout",
      onUnknown: { cut: "release", timeout: "fail", lost: "fail", answered: "fail" },
      keepServerErrors: true,
      restartCancelled: false,
      keepRequest: false,
    });
  });

  it("identity none: held like a plain call; with a callback the hold ends in 202", () => {
    expect(firstRoute("{process: {identity: none}}").process).to.include({
      waitMs: 60_000,
      onWaitEnd: "timeout",
    });
    expect(firstRoute("{process: {identity: none, completion: callback}}").process).to.include({
      onWaitEnd: "accepted",
      deadlineMs: 3_600_000,
    });
  });

  it("what is written wins over what follows from the identity", () => {
    const { process } = firstRoute(
      "{process: {identity: key, waitMs: 5, onWaitEnd: accepted, force: true, onUnknown: {timeout: release}, deadlineMs: 9}}",
    );
    expect(process).to.deep.include({
      waitMs: 5,
      onWaitEnd: "accepted",
      force: true,
      onUnknown: { cut: "release", timeout: "release", lost: "fail", answered: "fail" },
      deadlineMs: 9,
    });
  });

  it("one word for onUnknown means all four", () => {
    expect(firstRoute("{process: {identity: request, onUnknown: release}}").process?.onUnknown).to.deep.equal(
      { cut: "release", timeout: "release", lost: "release", answered: "release" },
    );
  });

  it("errors under identity request are kept for a minute, and a number is for every status", () => {
    const ttl = (text: string) => {
      const process = firstRoute(`{process: {${text}}}`).process!;
      return [process.resultTtlMs, process.resultTtlByClass];
    };
    const minute = { "4xx": 60_000, "5xx": 60_000 };
    expect(ttl("identity: request")).to.deep.equal([86_400_000, minute]);
    expect(ttl("identity: request, resultTtlMs: {4xx: 5000}")).to.deep.equal([
      86_400_000,
      { ...minute, "4xx": 5000 },
    ]);
    expect(ttl("identity: request, resultTtlMs: 7000")).to.deep.equal([7000, {}]);
    expect(ttl("identity: key")).to.deep.equal([86_400_000, {}]);
    expect(ttl("identity: key, resultTtlMs: {2xx: 7000, 4xx: 1000}")).to.deep.equal([7000, { "4xx": 1000 }]);
  });

  it("failedWhen takes one JSON value or several", () => {
    const equals = (text: string) =>
      firstRoute(`{process: {identity: key, failedWhen: {pointer: /ok, equals: ${text}}}}`).process
        ?.failedWhen;
    expect(equals("false")).to.deep.equal({ pointer: ["ok"], equals: [false] });
    expect(equals("[error, 7, null, true]")).to.deep.equal({
      pointer: ["ok"],
      equals: ["error", 7, null, true],
    });
  });

  it("retries may stand on the route or in its process", () => {
    const wanted = { attempts: 3, minMs: 200, maxMs: 10_000 };
    expect(firstRoute("{retries: {attempts: 3}}").retries).to.deep.equal(wanted);
    const inside = firstRoute("{process: {identity: key, retries: {attempts: 3}}}");
    expect(inside.retries).to.deep.equal(wanted);
    expect(inside.process?.keepRequest).to.equal(true);
    expect(inside.process).to.not.have.property("retries");
  });

  it("the route's own onDuplicate may always be asked for", () => {
    const { process } = firstRoute("{process: {identity: request, onDuplicate: replace}}");
    expect(process?.allowOnDuplicate).to.deep.equal(["replace", "join", "reject"]);
  });

  it("a plain route takes large bodies, since they only stream through", () => {
    expect(firstRoute("{match: {path: /files}}")).to.include({ maxBodyBytes: 104_857_600, name: "* /files" });
  });

  it("a dual-write route without a process has none of its own, and takes the bodies of one", () => {
    const { services } = load(
      `${route("{match: {methods: [POST]}, mirror: {to: b, mode: dual-write}}")}\n  b: {instances: ["http://127.0.0.1:4002"], match: none}`,
    );
    const mirrored = services.find(({ name }) => name === "a")?.routes[0];
    expect(mirrored).to.include({ process: null, maxBodyBytes: 1_048_576 });
    expect(mirrored?.mirror).to.include({ rate: 1, outbox: "best-effort", credentials: "drop" });
    expect(services.find(({ name }) => name === "b")?.match.host).to.equal("");
  });

  it("the node's own settings", () => {
    expect(load(minimal)).to.deep.include({
      node: "node-1",
      port: 8080,
      opsPort: 9180,
      adminPort: 8090,
      host: null,
      opsHost: "127.0.0.1",
      publicUrl: null,
      hosts: [],
      trustedProxies: [],
    });
    expect(load(minimal).redis).to.include({
      url: "redis://127.0.0.1:6379",
      sentinels: null,
      cluster: null,
      profile: "standard",
      strict: false,
      keyPrefix: "sp:",
      partitions: 64,
    });
    expect(load(minimal, { role: "sweeper" }).opsPort).to.equal(9181);
  });

  it("services: match, callbackAuth, credential and instance names", () => {
    const secret = `whsec_${Buffer.alloc(24, 1).toString("base64")}`;
    const [a] = load(
      service(`callbackAuth: {secrets: ["${secret}"]}`, "credential: [Authorization, cookie.SID]"),
    ).services;
    expect(a).to.deep.include({
      match: { host: null, path: "/a" },
      callbackAuth: { mode: "either", secrets: [secret], sharedToken: null },
      credential: ["authorization", "cookie.SID"],
      health: null,
      breaker: null,
      honoursKey: false,
      instances: [{ name: "127.0.0.1:4001", origin: "http://127.0.0.1:4001", weight: 1 }],
    });
    expect(load(minimal).services[0]?.callbackAuth.mode).to.equal("token");
    expect(load(service("credential: none")).services[0]?.credential).to.deep.equal([]);
    expect(load("services: {a: {instances: ['https://h/']}}").services[0]?.instances[0]).to.include({
      origin: "https://h",
      name: "h:443",
    });
  });

  it("services stand in the order of look-up: a host first, then the longest path", () => {
    const { services } = load(
      [
        "services:",
        "  all: {instances: ['http://h:1'], match: {path: /}}",
        "  long: {instances: ['http://h:2'], match: {path: /x/y}}",
        "  hosted: {instances: ['http://h:3'], match: {host: a.example, path: /}}",
      ].join("\n"),
    );
    expect(services.map(({ name }) => name)).to.deep.equal(["hosted", "long", "all"]);
  });

  it("JSON Pointers become tokens, field names lower case, statuses numbers", () => {
    const { process } = firstRoute(
      "{process: {identity: none, completion: callback, fingerprintHeaders: [X-A], callback: {inject: {json: /a~1b/c~0d}, accept: {status: /s, result: ''}}}}",
    );
    expect(process?.callback.inject.json).to.deep.equal(["a/b", "c~d"]);
    expect(process?.callback.accept).to.deep.include({ status: ["s"], result: [], completed: ["completed"] });
    expect(process?.fingerprintHeaders).to.deep.equal(["x-a"]);
    const { cache, headers } = firstRoute(
      "{cache: {negativeTtlMs: {404: 5000}, tags: none}, headers: {response: {set: {X-Frame-Options: DENY}}}}",
    );
    expect(cache?.negativeTtlMs).to.deep.equal(new Map([[404, 5000]]));
    expect(cache).to.include({ tags: false, profile: "safe", maxObjectBytes: 8_388_608, maxVariants: 16 });
    expect(headers.response).to.deep.equal(new Map([["x-frame-options", "DENY"]]));
  });

  it("compare rules keep their own members", () => {
    const config = load(
      `${route("{match: {methods: [GET]}, mirror: {to: b, mode: dual-read, compare: {ignore: [/id], rules: [{at: /items, kind: keyed, by: /id}, {at: /t, kind: timeTolerance, ms: 5}]}}}")}\n  b: {instances: ["http://127.0.0.1:4002"]}`,
    );
    const compare = config.services.find(({ name }) => name === "a")?.routes[0]?.mirror?.compare;
    expect(compare?.ignore).to.deep.equal([["id"]]);
    expect(compare?.rules).to.deep.equal([
      { at: ["items"], kind: "keyed", by: ["id"] },
      { at: ["t"], kind: "timeTolerance", ms: 5 },
    ]);
  });
});

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
      yaml: minimal,
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

describe("configuration: quick forms", () => {
  const origin = "http://127.0.0.1:8000";
  const quick = (flags: Sources["flags"]) => load(null, { flags: { origin, ...flags } }).services;

  it("--origin alone proxies every path plainly", () => {
    const [only, ...others] = quick({});
    expect(others).to.deep.equal([]);
    expect(only).to.deep.include({ name: "origin", match: { host: null, path: "/" }, routes: [] });
  });

  it("--idempotent: a key on any method and path, optional", () => {
    const [only] = quick({ idempotent: true });
    expect(only?.routes).to.have.length(1);
    expect(only?.routes[0]).to.deep.include({ match: { methods: [], path: "/" } });
    expect(only?.routes[0]?.process).to.include({ identity: "key", key: "optional" });
  });

  it("--cache --ttl --cache-profile: one cached route that sees unsafe methods too", () => {
    const [only] = quick({ cache: true, ttl: "60", "cache-profile": "conformance" });
    expect(only?.routes).to.have.length(1);
    expect(only?.routes[0]?.cache).to.include({ defaultTtlMs: 60_000, profile: "conformance" });
    expect(only?.routes[0]?.match.methods).to.deep.equal([]);
  });

  it("--cache --idempotent: reads are cached, the rest has keys", () => {
    const [only] = quick({ cache: true, idempotent: true });
    expect(
      only?.routes.map(({ name, cache, process }) => [name, cache !== null, process !== null]),
    ).to.deep.equal([
      ["GET,HEAD /", true, false],
      ["* /", false, true],
    ]);
  });

  it("--mirror: writes go to both durably, reads are compared, no client reaches the second", () => {
    const services = quick({ mirror: "http://127.0.0.1:8001" });
    const modes = services.flatMap(({ routes }) => routes.map(({ name, mirror }) => [name, mirror?.mode]));
    expect(modes).to.deep.equal([
      ["GET,HEAD /", "dual-read"],
      ["* /", "dual-write"],
    ]);
    expect(services.find(({ name }) => name === "mirror")?.match.host).to.equal("");
    const keys = services.flatMap(({ routes }) => routes.map(({ mirror }) => mirror?.orderKey));
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

describe("configuration: what is refused", () => {
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

  const cases: readonly (readonly [what: string, yaml: string, error: RegExp])[] = [
    [
      "text where a number belongs",
      route("{process: {identity: key, waitMs: '5'}}"),
      /waitMs: must be a number of milliseconds$/m,
    ],
    ["a size with a unit", route("{maxBodyBytes: 1MB}"), /maxBodyBytes: must be a number of bytes$/m],
    ["one instance without a list", "services: {a: {instances: 'http://h'}}", /instances: must be a list$/m],
    ["a service without anything", "services: {a: }", /services\.a: must be a mapping$/m],
    [
      "a secret that no variable holds, said once",
      "services: {a: {instances: ['http://h'], callbackAuth: {secrets: [{env: STICKY_SECRET_NONE}]}}}",
      /^sticky\.yaml:\d+: services\.a\.callbackAuth\.secrets\[0\]: environment variable STICKY_SECRET_NONE is not set$/,
    ],
    [
      "a secret from a variable of any name",
      "services: {a: {instances: ['http://h'], callbackAuth: {sharedToken: {env: HOME}}}}",
      /sharedToken: must be text, or env alone with a name that begins with STICKY_SECRET_$/m,
    ],
    ["an unknown identity", route("{process: {identity: hash}}"), /identity: must be one of/],
    [
      "key with another identity",
      route("{process: {identity: request, key: optional}}"),
      /only for identity key/,
    ],
    [
      "retries in two places",
      route("{retries: {attempts: 2}, process: {identity: key, retries: {attempts: 3}}}"),
      /also given on the route/,
    ],
    ["minMs above maxMs", route("{retries: {minMs: 20, maxMs: 10}}"), /retries.minMs: must not exceed maxMs/],
    [
      "retry of unknowns at a service that may run twice",
      route("{process: {identity: key, onUnknown: retry}}"),
      /retry needs a service that honoursKey/,
    ],
    [
      "probe without a probe",
      route("{process: {identity: key, onUnknown: {lost: probe}}}"),
      /onUnknown.lost: probe needs process.probe/,
    ],
    [
      "a heartbeat longer than the deadline",
      route("{process: {identity: key, deadlineMs: 5, heartbeatTimeoutMs: 6}}"),
      /must not exceed deadlineMs/,
    ],
    ["force where nothing is kept", route("{process: {identity: none, force: true}}"), /nothing to force/],
    [
      "a correlated callback without proof",
      route(
        "{process: {identity: none, completion: callback, callback: {correlate: {response: /id, callback: /id}}}}",
      ),
      /correlate: needs callbackAuth/,
    ],
    [
      "a pointer without a slash",
      route("{process: {identity: key, callback: {inject: {json: a}}}}"),
      /must be a JSON Pointer/,
    ],
    [
      "a callback address for the whole body",
      route('{process: {identity: key, callback: {inject: {json: ""}}}}'),
      /inject\.json/,
    ],
    [
      "a pointer with a bad escape",
      route("{process: {identity: key, callback: {inject: {json: /a~2}}}}"),
      /must be a JSON Pointer/,
    ],
    ["callbacks without any proof", service("callbackAuth: {mode: none}"), /say insecure: true/],
    ["signatures without a secret", service("callbackAuth: {mode: both}"), /needs at least one secret/],
    ["a short shared token", service("callbackAuth: {sharedToken: abc}"), /sharedToken: must be 24 to 256/],
    [
      "a secret of 65 bytes",
      service(`callbackAuth: {secrets: ["whsec_${Buffer.alloc(65).toString("base64")}"]}`),
      /24 to 64 random bytes/,
    ],
    [
      "two routes that match the same",
      service("routes: [{match: {methods: [GET, POST]}}, {match: {methods: [POST, GET]}}]"),
      /routes\[1\]: has the same match as routes\[0\]/,
    ],
    [
      "two routes with one name",
      service("routes: [{name: x, match: {path: /a}}, {name: x}]"),
      /has the same name as routes\[0\]/,
    ],
    [
      "two services in one place",
      `${minimal.slice(0, -1)}, b: {instances: ['http://h:1'], match: {path: /a}}}`,
      /services.b.match: is the same as that of services.a/,
    ],
    ["an instance twice", "services: {a: {instances: ['http://h:1', 'http://h:1/']}}", /listed twice/],
    [
      "the gateway as its own service",
      "port: 4001\nservices: {a: {instances: ['http://127.0.0.1:4001']}}",
      /gateway's own address/,
    ],
    ["metadata as a service", "services: {a: {instances: ['http://169.254.169.254']}}", /link-local/],
    ["metadata in hexadecimal", "services: {a: {instances: ['http://0xA9FEA9FE']}}", /link-local/],
    [
      "metadata as a mapped address",
      "services: {a: {instances: ['http://[::ffff:169.254.169.254]']}}",
      /link-local/,
    ],
    ["a path in an instance", "services: {a: {instances: ['http://h/api']}}", /must be an origin/],
    ["another scheme", "services: {a: {instances: ['file:///etc/passwd']}}", /must be an origin/],
    ["the reserved prefix", service("match: {path: /_sticky/x}"), /_sticky/],
    [
      "the reserved prefix below a catch-all",
      service("match: {path: /}", "routes: [{match: {path: /_sticky}}]"),
      /_sticky/,
    ],
    ["dot segments", service("match: {path: /a/../b}"), /dot segments/],
    ["a path with a slash at the end", service("match: {path: /a/}"), /must be a path/],
    ["an encoded slash", service("match: {path: /a%2Fb}"), /must be a path/],
    [
      "an upper-case service name",
      "services: {A: {instances: ['http://h']}}",
      /services.A: a name here is lower-case/,
    ],
    ["CONNECT", route("{match: {methods: [CONNECT]}}"), /never forwarded/],
    ["a lower-case method", route("{match: {methods: [get]}}"), /in capitals/],
    [
      "a header with a line break",
      route('{headers: {request: {set: {X-A: "a\\r\\nX-B: c"}}}}'),
      /no control characters/,
    ],
    ["a header name with a space", route("{headers: {request: {set: {'X A': b}}}}"), /X A: is not allowed/],
    ["upgrades on a cached route", route("{cache: {}, allowUpgrade: true}"), /cannot be cached/],
    [
      "a mirror to nobody",
      route("{match: {methods: [GET]}, mirror: {to: nope, mode: dual-read}}"),
      /there is no service named nope/,
    ],
    [
      "a mirror to itself",
      route("{match: {methods: [GET]}, mirror: {to: a, mode: dual-read}}"),
      /leads back to the service itself/,
    ],
    [
      "a sampled dual-write",
      route("{mirror: {to: b, mode: dual-write, rate: 0.5}}"),
      /rate: dual-write mirrors everything/,
    ],
    [
      "a dual-write that forwards credentials",
      route("{mirror: {to: b, mode: dual-write, credentials: forward}}"),
      /never stores credentials/,
    ],
    [
      "an order by credentials",
      route("{mirror: {to: b, mode: dual-write, orderKey: {header: Authorization}}}"),
      /orderKey.header: is a credential/,
    ],
    [
      "an order by what looks like one",
      route("{mirror: {to: b, mode: dual-write, orderKey: {header: X-Api-Key}}}"),
      /orderKey.header: is a credential/,
    ],
    [
      "a cached dual-write",
      route("{cache: {}, mirror: {to: b, mode: dual-write}}"),
      /may not be on a cached route/,
    ],
    ["a dual-read of writes", route("{mirror: {to: b, mode: dual-read}}"), /GET and HEAD only/],
    [
      "a tolerance without an amount",
      route("{mirror: {to: b, mode: dual-write, compare: {rules: [{at: /x, kind: tolerance}]}}}"),
      /amount: is required/,
    ],
    [
      "two places for Redis",
      `redis: {url: 'redis://h', sentinels: {master: m, nodes: ['h:1']}}\n${minimal}`,
      /give one of url, sentinels, cluster/,
    ],
    [
      "a quorum of two",
      `redis: {profile: ha+quorum, lockNodes: ['redis://a', 'redis://b']}\n${minimal}`,
      /odd number/,
    ],
    ["lock nodes nobody uses", `redis: {lockNodes: ['redis://a']}\n${minimal}`, /only profile ha\+quorum/],
    ["one port for two servers", `port: 9180\n${minimal}`, /opsPort: must differ from port/],
    [
      "a drain that outlasts the hard stop",
      `shutdown: {drainDelayMs: 30000}\n${minimal}`,
      /below shutdown.hardMs/,
    ],
    ["a bad CIDR block", `trustedProxies: [10.0.0.0/33]\n${minimal}`, /must be an address or a block/],
    [
      "a webhook on loopback in disguise",
      `webhooks: {w: {url: 'http://127.1/', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /private address/,
    ],
    [
      "a webhook in decimal",
      `webhooks: {w: {url: 'http://2130706433/', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /private address/,
    ],
    [
      "a webhook at a mapped address",
      `webhooks: {w: {url: 'http://[::ffff:10.0.0.1]/', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /private address/,
    ],
    [
      "a webhook behind NAT64",
      `webhooks: {w: {url: 'http://[64:ff9b::7f00:1]/', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /private address/,
    ],
    [
      "a webhook at localhost.",
      `webhooks: {w: {url: 'http://localhost./', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /private address/,
    ],
    [
      "a webhook with a user",
      `webhooks: {w: {url: 'https://u:p@h/', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /user or password/,
    ],
    [
      "a webhook that is a file",
      `webhooks: {w: {url: 'file:///x', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /http\(s\) URL/,
    ],
    [
      "a webhook without a secret",
      `webhooks: {w: {url: 'https://h/', secrets: []}}\n${minimal}`,
      /secrets: must hold at least 1/,
    ],
  ];
  for (const [what, yaml, error] of cases)
    it(`refuses ${what}`, () => {
      expect(errorsOf(yaml).join("\n")).to.match(error);
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
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        const result = loadConfig({ ...none, yaml: text });
        return !result.ok && result.errors.length > 0;
      }),
    );
  });
});

describe("configuration: warnings and hash", () => {
  it("warns about loopback callbacks for remote services, and about insecure ones", () => {
    const yaml =
      "services: {a: {instances: ['http://h:1'], callbackAuth: {mode: none, insecure: true}, routes: [{process: {identity: request}}]}}";
    const result = loadConfig({ ...none, yaml });
    expect(result.ok && result.warnings.map((warning) => warning.split(/[ :]/)[0])).to.deep.equal([
      "publicUrl",
      "services.a.callbackAuth",
    ]);
  });

  it("warns where copies of a service's writes are ordered by unlike keys", () => {
    const yaml = (second: string): string =>
      `services: {a: {instances: ['http://127.0.0.1:1'], routes: [
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
