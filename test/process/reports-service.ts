/** Replicas of the gateway before a service that reports its results by callbacks, and a client's and the service's calls. */
import type { RecordedRequest } from "@sticky-proxy/testkit";

import type { SuiteStore } from "../support/stores.ts";
import { startReplicas } from "./replicas.ts";

export const sharedToken = "a-token-that-both-sides-know";
export const signingSecret = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;

/** To be called in the body of a `describe`. */
export function startReportsService(openSuiteStore: () => Promise<SuiteStore>) {
  const replicas = startReplicas(openSuiteStore, (origin) => ({
    count: 3,
    yaml: `
services:
  reports:
    instances: [${origin}]
    routes:
      - match: { methods: [POST], path: /sync }
        process: { identity: request }
      - match: { methods: [POST], path: /short }
        process: { identity: request, completion: callback, resultTtlMs: 1500, tombstoneMs: 300 }
      - match: { methods: [POST], path: /held }
        process: { identity: request, completion: callback, waitMs: 20000, deadlineMs: 60000 }
      - match: { methods: [POST], path: /silent }
        process: { identity: request, completion: callback, heartbeatTimeoutMs: 200, deadlineMs: 60000 }
      - match: { methods: [POST], path: /own }
        process:
          identity: request
          completion: callback
          callback: { accept: { status: /state, completed: [done], result: /data, error: /why } }
      - match: { methods: [POST], path: /patient }
        retries: { attempts: 3, minMs: 60000, maxMs: 60000 }
        process: { identity: request, completion: callback, deadlineMs: 900000 }
      - match: { methods: [POST] }
        process: { identity: request, completion: callback, deadlineMs: 900000, allowOnDuplicate: [join, reject, replace] }
  fixed:
    instances: [${origin}]
    honoursKey: true
    callbackAuth: { sharedToken: ${sharedToken} }
    routes:
      - retries: { attempts: 2, minMs: 1, maxMs: 1 }
        process:
          identity: request
          completion: callback
          heartbeatTimeoutMs: 300
          onUnknown: retry
          callback: { correlate: { response: /id, callback: /id } }
  signed:
    instances: [${origin}]
    callbackAuth: { mode: both, secrets: ["${signingSecret}"] }
    routes:
      - process: { identity: request, completion: callback }
`,
  }));
  let jobs = 0;
  beforeEach(() => {
    replicas.upstream.respond((_request, response) => response.writeHead(202).end("queued"));
  });

  function newBody(): string {
    return JSON.stringify({ job: (jobs += 1) });
  }
  async function submit(path = "/reports/run", body = newBody(), headers: Record<string, string> = {}) {
    const before = replicas.upstream.requests.length;
    const answer = await fetch(replicas.cluster.url(0) + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body,
    });
    await replicas.upstream.arrived(before + 1);
    const location = answer.headers.get("location") ?? "";
    return {
      answer,
      status: answer.status,
      location,
      id: location.split("/").at(-1)!,
      sent: replicas.upstream.last,
      body,
    };
  }
  /** Where nothing may reach the service. */
  function submitOnly(path: string, body: string, headers: Record<string, string>) {
    return fetch(replicas.cluster.url(0) + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body,
    });
  }
  function report(
    sent: RecordedRequest,
    action: string,
    body: string,
    node = 1,
    headers: Record<string, string> = {},
  ) {
    const url = new URL(sent.headers.get("sticky-callback-url")!.replace(/complete$/, action));
    return fetch(replicas.cluster.url(node) + url.pathname, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "Sticky-Execution": sent.headers.get("sticky-execution")!,
        ...headers,
      },
      body,
    });
  }
  async function status(location: string, node = 2, headers: Record<string, string> = {}) {
    const answer = await fetch(replicas.cluster.url(node) + location, { headers });
    return {
      answer,
      view: answer.status === 200 ? ((await answer.json()) as Record<string, unknown>) : null,
    };
  }
  /** Resolves when the process is where `is` wants it: long polls, no sleeps. */
  async function until(location: string, is: (view: Record<string, unknown>) => boolean) {
    let tag = '"v0"';
    for (;;) {
      const { answer, view } = await status(location, 1, {
        Prefer: "wait=2",
        "If-None-Match": tag,
      });
      if (view !== null && is(view)) return view;
      tag = answer.headers.get("etag") ?? tag;
    }
  }

  return { replicas, newBody, submit, submitOnly, report, status, until };
}
