import { createMemoryPins, createTestWorld } from "@sticky-proxy/core/testing";
import { blankRecord } from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import { expect } from "chai";
import { createSecretKey } from "node:crypto";
import { createTestProcesses } from "../testing.ts";
import { createPinnedRules } from "./pinned-rules.ts";

const secret = createSecretKey(Buffer.alloc(32, 7));

function world() {
  const own = createTestWorld();
  const memory = createMemoryPins();
  const reads: string[] = [];
  const store = {
    ...memory,
    read: (digest: string) => {
      reads.push(digest);
      return memory.read(digest);
    },
  };
  let services: readonly Service[] = [own.service];
  const node = (file: () => readonly Service[]) =>
    createPinnedRules({ services: file, store, secret, clock: own.clock });
  return {
    own,
    memory,
    reads,
    newer: node(() => services),
    older: node(() => []),
    reload: (next: readonly Service[]) => void (services = next),
  };
}

describe("the rules that all replicas share", () => {
  it("stand before a record names them, once after a start and once after a reload that changes them", async () => {
    const { own, newer, memory, reload } = world();
    const [route] = own.service.routes;
    const rules = newer.rulesFor(own.service, route!)!;
    const standing = newer.stand(rules);
    expect(standing).to.not.equal(null);
    await standing;
    expect([memory.texts.has(rules.digest!), newer.stand(rules)]).to.deep.equal([true, null]);
    const changed = { ...own.service, honoursKey: true };
    reload([changed]);
    await newer.stand(newer.rulesFor(changed, route!)!);
    expect(memory.texts.size).to.equal(2);
  });

  it("are read once by a node whose file lacks them, and what is missing is asked for again only later", async () => {
    const { own, newer, older, reads, memory } = world();
    const digest = newer.rulesFor(own.service, own.service.routes[0]!)!.digest!;
    const record = { ...blankRecord, service: "payments", route: "r", rules: digest };
    await older.learn(record);
    expect([older.standing(record), older.learn(record)]).to.deep.equal(["no-rules", null]);
    own.clock.advance(1001);
    await newer.keep();
    await Promise.all([older.learn(record), older.learn(record)]);
    expect([older.standing(record), older.learn(record), reads.length]).to.deep.equal([
      "no-service",
      null,
      2,
    ]);
    memory.texts.clear();
    await older.keep();
    expect([...memory.texts.keys()], "what is in use is kept on").to.deep.equal([digest]);
  });

  it("decide about a process on a node that does not know its service", async () => {
    const { own, newer, older } = world();
    const rules = {
      ...newer.rulesFor(own.service, own.service.routes[0]!)!,
      retries: { attempts: 2, minMs: 1, maxMs: 1 },
    };
    await newer.keep();
    const begun = await createTestProcesses(own).begin({ rules });
    const there = createTestProcesses(own, { rulesOf: (record) => older.rulesOf(record), pins: older });
    expect(begun.rules).to.equal(rules.digest);
    const ended = await there.apply(begun, { type: "lease-ended" });
    expect(ended).to.include({ status: "failed", executed: "unknown", released: false });
    expect(ended.expireAt! - ended.endedAt!).to.equal(own.rules.policy.resultTtlMs);
  });
});
