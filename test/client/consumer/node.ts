// Type-checked inside a project that has nothing but the packed client and Node's types.
import { createClient, isProblem, type ProblemSlug, type ProcessView } from "@sticky-proxy/client";
import { createReceiver, readExecution, type Acknowledgement } from "@sticky-proxy/client/receiver";
import type { IncomingMessage } from "node:http";

export async function submit(body: Uint8Array<ArrayBuffer>): Promise<ProcessView> {
  const client = createClient({ baseUrl: "http://localhost", headers: { Authorization: "Bearer x" } });
  const handle = await client.submit("reports", {
    body,
    onDuplicate: "join",
    signal: AbortSignal.timeout(5),
  });
  return handle.wait({ timeoutMs: 1000, onUpdate: (view) => view.progress?.percent });
}

export function slugOf(error: unknown): ProblemSlug | null {
  return isProblem(error, "rate-limited") ? error.slug : null;
}

export async function report(request: IncomingMessage): Promise<Acknowledgement | null> {
  const execution = readExecution(request.headers);
  return execution === null ? null : createReceiver().complete(execution, { json: { ok: true } });
}

// @ts-expect-error: the types are there, so a wrong call is seen.
createClient({ base: 1 });
