/** Proves by one process that a claim, the durability gate, a commit and a read work. */
import { asScope } from "@sticky-proxy/protocol";
import { randomBytes } from "node:crypto";
import type { ProcessRecord, ProcessStore } from "@sticky-proxy/core/process";

/**
 * Claims, confirms, commits, reads and purges one process of `store`.
 * @throws StoreUnavailable; Error naming the step whose answer was wrong
 */
export async function runCanary(
  store: ProcessStore,
  confirm: ((record: ProcessRecord) => Promise<void>) | null,
): Promise<void> {
  const scope = asScope(randomBytes(16).toString("base64url"));
  const answer = await store.create(
    {
      partition: 0,
      scope,
      fields: { service: "canary", status: "in-progress", owner: "canary" },
      spans: { wakeAt: 60_000 },
      request: null,
      writeId: `${scope}-1`,
    },
    { withResult: false },
  );
  if (answer.kind !== "created") throw new Error(`the canary's claim was answered "${answer.kind}"`);
  await confirm?.(answer.record);
  const committed = await store.commit(
    answer.record,
    {
      set: { status: "completed", owner: null },
      spans: { keepUntil: 60_000 },
      mintFence: false,
      result: null,
      drop: [],
      entry: { event: "ended" },
    },
    { ifDue: false, writeId: `${scope}-2` },
  );
  const { record } = await store.read(answer.record, { withResult: false });
  if (committed.kind !== "committed" || record?.version !== 2) {
    throw new Error("the canary's commit did not stand when it was read");
  }
  await store.purge(record);
}
