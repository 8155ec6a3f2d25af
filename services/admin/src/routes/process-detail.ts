/** One process: its record, timeline, history and payloads. */
import { Readable } from "node:stream";
import type { ProcessRecord, ProcessRef } from "@sticky-proxy/core/process";
import { parseProcessRef, processHistory } from "@sticky-proxy/operations";
import { Problem } from "@sticky-proxy/protocol";
import type { AdminDeps } from "../deps.ts";
import type { Answer, AuditedAct, Call, Route } from "../http/route.ts";
import { detailView, listView, payloadView, requestLine, responseLine } from "./process-view.ts";
import { anyObject, answerObject, list } from "./schemas.ts";

/** @throws Problem process-not-found for what is no id */
export function refOf({ processes }: Pick<AdminDeps, "processes">, id: string): ProcessRef {
  const ref = parseProcessRef(id, processes.store.partitions);
  if (ref === null) throw new Problem("process-not-found", { detail: "that is not the id of a process" });
  return ref;
}

/** @throws Problem process-not-found, process-expired; StoreUnavailable */
export async function readRecord(deps: Pick<AdminDeps, "processes">, id: string): Promise<ProcessRecord> {
  const { record } = await deps.processes.read(refOf(deps, id), { withResult: false });
  if (record === null)
    throw new Problem("process-not-found", {
      detail: "it was never here, or it was kept for its time and is gone",
    });
  return record;
}

export function processDetailRoutes(deps: AdminDeps): readonly Route[] {
  const { processes, redact } = deps;
  const { store } = processes;
  const seen =
    (what: string) =>
    (call: Call<unknown, unknown>): AuditedAct => ({
      action: `process.${what}`,
      target: call.params["id"]!,
      reason: "",
    });

  async function resultOf(id: string) {
    const { record, result } = await processes.read(refOf(deps, id), { withResult: true });
    if (record === null || result === null)
      throw new Problem("process-not-found", { detail: "no result is kept for it" });
    return result;
  }
  async function requestOf(id: string) {
    const request = await store.readRequest(await readRecord(deps, id), { mayLackCredentials: true });
    if (request === null) throw new Problem("process-not-found", { detail: "its request is not kept" });
    return request;
  }
  const one = (path: string, operationId: string, summary: string): Omit<Route, "run"> => ({
    method: "GET",
    path: `/processes/:id${path}`,
    role: "viewer",
    operationId,
    summary,
    answer: answerObject({ items: list(anyObject) }),
    problems: ["process-not-found"],
  });

  return [
    {
      ...one("", "showProcess", "One process"),
      answer: anyObject,
      async run({ params }) {
        const record = await readRecord(deps, params["id"]!);
        return { status: 200, body: detailView(record), headers: { "X-Version": String(record.version) } };
      },
    },
    {
      ...one("/timeline", "showTimeline", "What happened to it, oldest first"),
      async run({ params }) {
        const items = await store.timeline(refOf(deps, params["id"]!));
        return {
          status: 200,
          body: { items: items.map(({ at, ...entry }) => ({ at: Number(at), ...entry })) },
        };
      },
    },
    {
      ...one("/history", "showHistory", "Every kept process of the same request, newest first"),
      async run({ params }) {
        const found = await processHistory(store, refOf(deps, params["id"]!));
        return { status: 200, body: { items: found.map(listView) } };
      },
    },
    {
      ...one("/request", "showRequest", "The stored request: headers redacted, 64 KiB of the body"),
      role: "operator",
      answer: anyObject,
      async run({ params }) {
        const request = await requestOf(params["id"]!);
        const head = { line: requestLine(request), headers: request.head.headers };
        return { status: 200, body: payloadView(head, request.body, redact) };
      },
    },
    {
      ...one("/result", "showResult", "The stored result: headers redacted, 64 KiB of the body"),
      role: "operator",
      answer: anyObject,
      async run({ params }) {
        const result = await resultOf(params["id"]!);
        return {
          status: 200,
          body: payloadView({ line: responseLine(result), headers: result.headers }, result.body, redact),
        };
      },
    },
    download(
      "/request/body",
      "downloadRequest",
      "The stored request's body",
      seen("download-request"),
      async (id) => (await requestOf(id)).body,
    ),
    download(
      "/result/body",
      "downloadResult",
      "The stored result's body",
      seen("download-result"),
      async (id) => (await resultOf(id)).body,
    ),
  ];
}

/** Payloads are hostile: never shown by the browser, always saved. */
function download(
  path: string,
  operationId: string,
  summary: string,
  audit: NonNullable<Route["audit"]>,
  read: (id: string) => Promise<Uint8Array>,
): Route {
  return {
    method: "GET",
    path: `/processes/:id${path}`,
    role: "operator",
    operationId,
    summary,
    problems: ["process-not-found"],
    audit,
    async run({ params }): Promise<Answer> {
      const body = await read(params["id"]!);
      return {
        status: 200,
        stream: Readable.from([Buffer.from(body)]),
        headers: {
          "Content-Type": "application/octet-stream",
          "Content-Length": String(body.byteLength),
          "Content-Disposition": 'attachment; filename="body.bin"',
          "Content-Security-Policy": "sandbox; default-src 'none'",
        },
      };
    },
  };
}
