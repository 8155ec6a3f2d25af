import { blankRecord, type ProcessRecord } from "@sticky-proxy/core/process";
import { createTestWorld } from "@sticky-proxy/core/testing";
import { createTestProcesses } from "@sticky-proxy/engine/testing";
import { asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { freeHolder } from "./free.ts";

describe("freeing what a holder has stored", () => {
  async function world() {
    const base = createTestWorld();
    const { processes, begin, apply } = createTestProcesses(base);
    const told: ProcessRecord[] = [];
    const running = await begin({ scope: asScope("running"), holder: "address:a" });
    const ended = await apply(await begin({ scope: asScope("ended"), holder: "address:a" }), {
      type: "cancelled",
    });
    const others = await apply(await begin({ scope: asScope("others"), holder: "address:b" }), {
      type: "cancelled",
    });
    const ports = {
      processes,
      tellCancelled: (record: ProcessRecord) => void told.push(record),
      async *places() {
        for (const { partition, scope } of [running, ended, others]) yield { partition, scope, epoch: null };
        yield { ...blankRecord, scope: asScope("gone"), epoch: null };
      },
    };
    const stands = async (record: ProcessRecord) =>
      (await processes.read(record, { withResult: false })).record !== null;
    return { ports, told, stands, running, ended, others };
  }

  it("removes its finished processes and nobody else's, and leaves the running ones alone", async () => {
    const { ports, told, stands, running, ended, others } = await world();
    expect(await freeHolder(ports, "address:a", false)).to.deep.equal({ removed: 1, left: 1 });
    expect([await stands(running), await stands(ended), await stands(others)]).to.deep.equal([
      true,
      false,
      true,
    ]);
    expect(told).to.deep.equal([]);
  });

  it("cancels the running ones where it is told to, tells their service, and removes them too", async () => {
    const { ports, told, stands, running } = await world();
    expect(await freeHolder(ports, "address:a", true)).to.deep.equal({ removed: 2, left: 0 });
    expect(await stands(running)).to.equal(false);
    expect(told.map(({ scope }) => scope)).to.deep.equal([running.scope]);
  });
});
