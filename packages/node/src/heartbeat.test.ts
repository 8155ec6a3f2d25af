import { createMetrics, loadConfig, type Config } from "@sticky-proxy/runtime";
import type { Replica } from "@sticky-proxy/store";
import { expect } from "chai";
import { openHeartbeat } from "./heartbeat.ts";

const yaml = (names: string): string =>
  `services: { ${names
    .split(" ")
    .map((name) => `${name}: { instances: ["http://127.0.0.1:1"] }`)
    .join(", ")} }`;

function configOf(text: string): Config {
  const loaded = loadConfig({ yaml: text, env: {}, flags: {}, node: "n" });
  if (!loaded.ok) throw new Error(loaded.errors.join("; "));
  return loaded.config;
}

function world() {
  const replicas = new Map<string, Replica>();
  const lines: [string, unknown][] = [];
  let owner: string | null = null;
  const metrics = createMetrics({ version: "1", node: "n", configHash: "", services: [], routes: [] });
  let now = 0;
  const open = (id: string, config: Config, fingerprints: readonly number[] = [1]) =>
    openHeartbeat({
      registry: {
        heartbeat: async (replica) => void replicas.set(replica.id, replica),
        replicas: async () => [...replicas.values()],
        claimInstallation: async (own) => (owner ??= own),
        leave: async (gone) => void replicas.delete(gone),
      },
      id,
      role: "proxy",
      config,
      fingerprints,
      monotonic: () => now,
      logger: {
        info: (event: string, fields?: object) => void lines.push([event, fields]),
        warn: (event: string, fields?: object) => void lines.push([event, fields]),
      },
      metrics,
    });
  return {
    open,
    replicas,
    lines,
    pass: (ms: number) => (now += ms),
  };
}

describe("the heartbeat", () => {
  it("says once that replicas or keys are of another installation", async () => {
    const { open, lines, replicas } = world();
    const named = (name: string, port: number): Config =>
      configOf(
        `redis: { url: "redis://r", installation: ${name} }\nservices: { pay: { instances: ["http://127.0.0.1:${port}"] } }`,
      );
    const shared = (): unknown[] =>
      lines.filter(([event]) => event === "store.shared-prefix").map(([, fields]) => fields);
    const first = await open("a", named("shop", 1));
    await open("b", named("shop", 2));
    expect(shared()).to.deep.equal([]);
    const other = await open("c", named("lab", 1));
    await other.beat();
    expect(shared()).to.have.length(1);
    expect(shared()[0]).to.deep.include({
      strangers: ['a: it is of installation "shop"', 'b: it is of installation "shop"'],
      keysOf: "shop",
    });
    await first.beat();
    expect(shared()[1]).to.deep.include({ strangers: ['c: it is of installation "lab"'], keysOf: null });
    replicas.delete("c");
    await first.beat();
    expect(shared()).to.have.length(2);
  });

  it("logs each change of the configurations in use once, and when all are equal again", async () => {
    const { open, lines, replicas } = world();
    const old = await open("a", configOf(yaml("pay")));
    expect(lines).to.deep.equal([]);
    const newer = await open("b", configOf(yaml("pay ship")));
    expect(lines.map(([event]) => event)).to.deep.equal(["config.drift"]);
    await old.beat();
    await old.beat();
    expect(lines.map(([event]) => event)).to.deep.equal(["config.drift", "config.drift"]);
    await old.leave();
    expect([...replicas.keys()]).to.deep.equal(["b"]);
    await newer.beat();
    expect(lines.at(-1)![0]).to.equal("config.agreed");
  });

  it("knows a fingerprint version to be understood when every live replica says so, and only while it was read lately", async () => {
    const { open, pass, replicas } = world();
    const config = configOf(yaml("pay"));
    const both = await open("a", config, [1, 2]);
    expect(both.allKnowFingerprint(2)).to.equal(true);
    await open("b", config, [1]);
    await both.beat();
    expect([both.allKnowFingerprint(1), both.allKnowFingerprint(2)]).to.deep.equal([true, false]);
    const { fingerprints: _, ...older } = replicas.get("b")!;
    replicas.set("b", older);
    await both.beat();
    expect([both.allKnowFingerprint(1), both.allKnowFingerprint(2)]).to.deep.equal([true, false]);
    replicas.set("b", { ...older, role: "admin", fingerprints: [] });
    await both.beat();
    expect(both.allKnowFingerprint(2), "an admin compares none").to.equal(true);
    replicas.delete("b");
    await both.beat();
    expect(both.allKnowFingerprint(2)).to.equal(true);
    pass(10_001);
    expect([both.replicas(), both.allKnowFingerprint(1)]).to.deep.equal([null, false]);
  });
});
