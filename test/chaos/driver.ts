/** Clients in a closed loop: each asks a random replica about a random key, again and again, and notes what it is told. */
import type { Operation } from "./history.ts";
import type { Random } from "./random.ts";

export interface DriveOptions {
  /** Data planes of the replicas. */
  readonly urls: readonly string[];
  readonly random: Random;
  readonly forMs: number;
  readonly clients: number;
}

const patienceMs = 3000;
const paths = ["/careful/x", "/robust/x", "/later/job"] as const;

export async function drive({ urls, random, forMs, clients }: DriveOptions): Promise<Operation[]> {
  const operations: Operation[] = [];
  const known: { readonly key: string; readonly processId: string }[] = [];
  const until = performance.now() + forMs;
  let begun = 0;

  async function ask(kind: Operation["kind"], key: string, url: string, id: string): Promise<void> {
    const startedAt = performance.now();
    const answer = await tell(kind, key, url, id);
    operations.push({ id, kind, key, startedAt, endedAt: performance.now(), answer });
    if (answer !== null && answer.processId !== "") known.push({ key, processId: answer.processId });
    if (known.length > 200) known.shift();
  }
  async function tell(
    kind: Operation["kind"],
    key: string,
    url: string,
    id: string,
  ): Promise<Operation["answer"]> {
    try {
      const response = await fetch(url, {
        signal: AbortSignal.timeout(patienceMs),
        ...(kind === "result" || kind === "cancel"
          ? { method: kind === "cancel" ? "POST" : "GET" }
          : {
              method: "POST",
              body: "{}",
              headers: {
                "Idempotency-Key": key,
                "X-Operation": id,
                ...(kind === "force" ? { "Sticky-Force": "true" } : {}),
              },
            }),
      });
      const body = await response.text();
      const isProblem = response.headers.get("content-type")?.startsWith("application/problem") === true;
      const executed = isProblem ? String((JSON.parse(body) as { executed?: string }).executed) : null;
      const processId = response.headers.get("sticky-process-id") ?? "";
      return { status: response.status, processId, body, executed };
    } catch {
      return null; // the replica died, stands still, or cut the connection
    }
  }

  async function client(own: Random): Promise<void> {
    while (performance.now() < until) {
      begun += 1;
      const id = `op-${begun}`;
      // A window of keys that moves on: old ones are replayed, new ones begin.
      const number = Math.floor(begun / 6) + own.between(0, 8);
      const key = `key-${number}`;
      const path = paths[number % paths.length]!;
      const dice = own.next();
      if (dice < 0.15) {
        await Promise.all(urls.map((url, i) => ask("call", key, url + path, `${id}-${i}`)));
      } else if (dice < 0.25 && known.length > 0) {
        const { key: of, processId } = own.pick(known);
        await ask("result", of, `${own.pick(urls)}/_sticky/v1/processes/${processId}/result`, id);
      } else if (dice < 0.27 && known.length > 0) {
        const { key: of, processId } = own.pick(known);
        await ask("cancel", of, `${own.pick(urls)}/_sticky/v1/processes/${processId}/cancel`, id);
      } else if (dice < 0.32 && path !== paths[0]) await ask("force", key, own.pick(urls) + path, id);
      else await ask("call", key, own.pick(urls) + path, id);
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, i) => client(random.branch(`client ${i}`))));
  return operations;
}
