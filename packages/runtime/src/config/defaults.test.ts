import { expect } from "chai";
import { firstRoute, load, minimal, route, service } from "./testing.ts";

describe("configuration: defaults", () => {
  it("a service's response head has room for 16 KiB of cache tags beside its other fields", () => {
    expect(load(minimal).limits.upstreamHeaderBytes).to.be.at.least(24 * 1024);
  });

  it("identity request: 202 at once, force allowed, an unknown outcome releases", () => {
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

  it("identity key: the client waits, a cut connection releases, a timeout and a lost node are kept as failures", () => {
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

  it("identity none: the client waits as for a plain call; with completion callback the wait ends with 202", () => {
    expect(firstRoute("{process: {identity: none}}").process).to.include({
      waitMs: 60_000,
      onWaitEnd: "timeout",
    });
    expect(firstRoute("{process: {identity: none, completion: callback}}").process).to.include({
      onWaitEnd: "accepted",
      deadlineMs: 3_600_000,
    });
  });

  it("a written entry overrides the default of the identity", () => {
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

  for (const { outbox, maxBodyBytes } of [
    { outbox: "best-effort", maxBodyBytes: 104_857_600 },
    { outbox: "required", maxBodyBytes: 1_048_576 },
  ])
    it(`a dual-write route without a process has none of its own; ${outbox}, it takes ${maxBodyBytes} bytes`, () => {
      const { services } = load(
        `${route(`{match: {methods: [POST]}, mirror: {to: b, mode: dual-write, outbox: ${outbox}}}`)}\n  b: {instances: ["http://127.0.0.1:4002"], match: none}`,
      );
      const mirrored = services.find(({ name }) => name === "a")?.routes[0];
      expect(mirrored).to.include({ process: null, maxBodyBytes });
      expect(mirrored?.mirror).to.include({ rate: 1, outbox, credentials: "drop" });
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
      proxyProtocol: [],
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
    expect(cache).to.include({ tags: false, profile: "safe", maxObjectBytes: 8_388_608, maxVariants: 64 });
    expect(headers.response).to.deep.equal(new Map([["x-frame-options", "DENY"]]));
  });

  it("tags are read where nothing is said about them", () => {
    expect(firstRoute("{cache: {}}").cache).to.include({ tags: true });
    expect(firstRoute("{cache: {tags: false}}").cache).to.include({ tags: false });
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
