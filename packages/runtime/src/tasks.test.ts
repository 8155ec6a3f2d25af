import { expect } from "chai";
import type { Phase } from "./lifecycle.ts";
import { createMetrics } from "./metrics.ts";
import { startTasks } from "./tasks.ts";

function world() {
  const metrics = createMetrics({ version: "1", node: "n", configHash: "", services: [], routes: [] });
  const stops = new Map<string, { phase: Phase; step: () => Promise<void> | void }>();
  const lines: unknown[] = [];
  return {
    lines,
    stops,
    parts: {
      metrics,
      logger: { error: (event: string, fields?: object) => void lines.push([event, fields]) },
      lifecycle: {
        onShutdown: (phase: Phase, name: string, step: () => Promise<void> | void) =>
          void stops.set(name, { phase, step }),
      },
    },
    scrape: async () =>
      (await metrics.registry.metrics()).split("\n").filter((line) => line.includes("_task_")),
  };
}

describe("tasks of a node", () => {
  it("a task updates its last success, and a failed run is logged and counted without ending the task", async () => {
    const { parts, lines, stops, scrape } = world();
    const err = new Error("no answer");
    const second = Promise.withResolvers<void>();
    const fine = Promise.withResolvers<void>();
    let runs = 0;
    const run = (): void => {
      runs += 1;
      if (runs === 2) second.resolve();
      if (runs === 1) throw err;
    };
    startTasks(
      [
        { name: "n.fails-once", periodMs: 1, jitter: 0, atOnce: true, run, stopIn: "flush" },
        { name: "n.fine", periodMs: 60_000, jitter: 0, atOnce: true, run: fine.resolve, stopIn: "finish" },
      ],
      parts,
    );
    await Promise.all([second.promise, fine.promise]);
    expect([...stops].map(([name, { phase }]) => [name, phase])).to.deep.equal([
      ["n.fails-once", "flush"],
      ["n.fine", "finish"],
    ]);
    for (const { step } of stops.values()) await step();
    expect(lines).to.deep.equal([["task.failed", { task: "n.fails-once", err }]]);
    const shown = await scrape();
    expect(shown).to.include('sticky_proxy_task_failures_total{task="n.fails-once"} 1');
    expect(shown).to.include('sticky_proxy_task_failures_total{task="n.fine"} 0');
    expect(shown.some((line) => /last_success_timestamp_seconds\{task="n\.fine"\} \d/.test(line))).to.equal(
      true,
    );
  });

  it("a task has no last success before its first successful run", async () => {
    const { parts, stops, scrape } = world();
    const failed = Promise.withResolvers<void>();
    const run = (): void => {
      failed.resolve();
      throw new Error("no answer");
    };
    startTasks([{ name: "n.a", periodMs: 60_000, jitter: 0, atOnce: true, run, stopIn: "flush" }], parts);
    await failed.promise;
    for (const { step } of stops.values()) await step();
    expect((await scrape()).filter((line) => line.includes("last_success_timestamp_seconds{"))).to.deep.equal(
      [],
    );
  });
});
