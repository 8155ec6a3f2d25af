/**
 * What the gateway keeps: its heap after a collection, before and after many finished requests and many held clients that
 * left. A growth per request of more than a few bytes would be a leak; a listener that is never taken off shows as one,
 * and as a warning on stderr.
 */
import { setStage } from "./parts/stage.ts";
import { table } from "./parts/table.ts";

const requests = 10_000;
const leaving = 1_000;

const stage = await setStage();
const keyed = { method: "POST", bodyBytes: 1024 } as const;
try {
  const rows: string[][] = [];
  let last = 0;
  const note = async (what: string, count: number): Promise<void> => {
    const { heapBytes, externalBytes, residentBytes } = await stage.measure("memory");
    const grown = last === 0 ? "" : `${((heapBytes - last) / count).toFixed(0)} B`;
    rows.push([what, mebibytes(heapBytes), grown, mebibytes(externalBytes), mebibytes(residentBytes)]);
    last = heapBytes;
  };
  const run = (name: string, count: number) =>
    stage.load({ ...keyed, path: "/keyed/charges", keys: name, count });
  const leave = (name: string, count: number) =>
    stage.load({ ...keyed, path: "/keyed/slow", keys: name, count, concurrency: 50, leaveAfterMs: 20 });

  await run("warm", 3000);
  await leave("warm-left", 300);
  await note("warm", 1);
  for (const round of [1, 2]) {
    await run(`round-${round}`, requests);
    await note(`${requests} keyed requests`, requests);
  }
  for (const round of [1, 2]) {
    await leave(`left-${round}`, leaving);
    await note(`${leaving} clients left`, leaving);
  }
  console.log(table(["after", "heap", "grown per request", "external", "resident"], rows));
  const warnings = stage.errors().match(/^.*Warning:.*$/gm) ?? [];
  console.log(warnings.length === 0 ? "no warning of Node" : warnings.join("\n"));
} finally {
  await stage.close();
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}
