/** The client: submit a request, follow its process from anywhere, read the result. */

import { createOwners } from "./owners.ts";
import { fields, formatIdempotencyKey, processApiPath, type ProcessView } from "@sticky-proxy/protocol";
import { isProblem, UnexpectedResponseError, WaitTimeoutError } from "./errors.ts";
import { checkedKey, submission, wholeSeconds, type SubmitInit } from "./submission.ts";
import {
  backoff,
  defaultRetry,
  pause,
  send,
  type Call,
  type Fetch,
  type RequestFields,
  type RetryOptions,
} from "./transport.ts";
import { waitForEnd, type WaitOptions } from "./wait.ts";

export interface ClientOptions {
  /** The gateway: an origin, with a path if it is published under one. */
  readonly baseUrl: string;
  /** Default: the global fetch. */
  readonly fetch?: Fetch;
  /** Fields sent with every request, e.g. Authorization; a function is called before each request. */
  readonly headers?: RequestFields | (() => RequestFields | Promise<RequestFields>);
  readonly retry?: Partial<RetryOptions>;
  /** Timeout for the head of a response, in addition to the requested wait. Default 30 s. */
  readonly requestTimeoutMs?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ResultOptions extends CallOptions {
  /** How long to wait for the end; 0: do not wait. Default: no limit. */
  readonly timeoutMs?: number;
}

export interface RerunOptions extends CallOptions {
  readonly cancelRunning?: boolean;
  readonly idempotencyKey?: string;
}

/** Handle of a process. It is not tied to a connection: `client.process(id)` creates it again. */
export interface ProcessHandle {
  readonly id: string;
  /** The key it was submitted with; null when the handle was made from an id. */
  readonly idempotencyKey: string | null;
  /** true: the gateway already knew the request and did not send it to the service again. */
  readonly replayed: boolean;
  status(options?: CallOptions): Promise<ProcessView>;
  wait(options?: WaitOptions): Promise<ProcessView>;
  /** The service's response, when the process has ended. */
  result(options?: ResultOptions): Promise<Response>;
  cancel(options?: CallOptions): Promise<ProcessView>;
  rerun(options?: RerunOptions): Promise<ProcessHandle>;
}

export interface Client {
  /** Sends a request to `<service>/<path>` and returns its process. A repeat with the same key joins or replays it. */
  submit(target: string, init?: SubmitInit): Promise<ProcessHandle>;
  /** A handle for an id, e.g. after a restart; sends no request. */
  process(id: string): ProcessHandle;
  status(id: string, options?: CallOptions): Promise<ProcessView>;
  wait(id: string, options?: WaitOptions): Promise<ProcessView>;
  result(id: string, options?: ResultOptions): Promise<Response>;
  cancel(id: string, options?: CallOptions): Promise<ProcessView>;
  rerun(id: string, options?: RerunOptions): Promise<ProcessHandle>;
  /** Forgets a finished process and its result. */
  forget(id: string, options?: CallOptions): Promise<void>;
  /**
   * The process of a key; null when there is none, or when this client may not know it: one of another credential, or one
   * that was submitted without any credential and not by this client.
   */
  lookup(
    key: { readonly service: string; readonly idempotencyKey: string },
    options?: CallOptions,
  ): Promise<ProcessView | null>;
}

const resultHoldMs = 25_000;

export function createClient(options: ClientOptions): Client {
  const base = options.baseUrl.replace(/\/+$/, "");
  if (!/^https?:$/.test(new URL(base).protocol)) throw new TypeError("baseUrl must be an http or https URL");
  const fetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const retry: RetryOptions = { ...defaultRetry, ...options.retry };
  const requestTimeoutMs = options.requestTimeoutMs ?? 30_000;

  async function call(
    method: string,
    path: string,
    more: Partial<Omit<Call, "url" | "method" | "headers">> & { headers?: RequestFields; holdMs?: number },
  ): Promise<Response> {
    const { holdMs = 0, headers: own, ...rest } = more;
    const given = typeof options.headers === "function" ? await options.headers() : options.headers;
    const headers = new Headers(given);
    new Headers(own).forEach((value, name) => headers.set(name, value));
    return send(fetch, {
      url: base + path,
      method,
      headers,
      body: null,
      repeatable: true,
      idempotencyKey: null,
      signal: null,
      retry,
      isBuffered: true,
      ...rest,
      timeoutMs: holdMs + requestTimeoutMs,
    });
  }

  const owners = createOwners();

  const client: Client = {
    async submit(target, init = {}) {
      const { key, path, ...request } = submission(target, init);
      const response = await call(init.method ?? "POST", path, {
        ...request,
        isBuffered: false,
        idempotencyKey: key,
        holdMs: init.waitMs ?? 0,
        signal: init.signal ?? null,
      });
      return handleFrom(response, key);
    },

    process: (id) => handle(id, null, false, null),

    status: async (id, { signal } = {}) =>
      viewFrom(await call("GET", processPath(id), { signal: signal ?? null })),

    wait: (id, waitOptions = {}) =>
      waitForEnd(
        (headers, signal, holdMs) =>
          call("GET", processPath(id), { headers, signal, holdMs, retry: { ...retry, attempts: 1 } }),
        id,
        waitOptions,
      ),

    result: (id, resultOptions = {}) => awaitResult(id, resultOptions),

    cancel: async (id, { signal } = {}) =>
      viewFrom(
        await call("POST", `${processPath(id)}/cancel`, {
          headers: owners.fields(id),
          signal: signal ?? null,
        }),
      ),

    async rerun(id, rerunOptions = {}) {
      const key = checkedKey(rerunOptions.idempotencyKey ?? crypto.randomUUID());
      const response = await call("POST", `${processPath(id)}/rerun`, {
        headers: {
          [fields.idempotencyKey]: formatIdempotencyKey(key),
          "Content-Type": "application/json",
          ...owners.fields(id),
        },
        body: JSON.stringify({ cancelRunning: rerunOptions.cancelRunning ?? false }),
        idempotencyKey: key,
        signal: rerunOptions.signal ?? null,
      });
      return handleFrom(response, key);
    },

    async forget(id, { signal } = {}) {
      const response = await call("DELETE", processPath(id), {
        headers: owners.fields(id),
        signal: signal ?? null,
      });
      if (response.status !== 204)
        throw new UnexpectedResponseError("the process was not forgotten", response);
    },

    async lookup({ service, idempotencyKey }, { signal } = {}) {
      try {
        const response = await call("POST", `${processApiPath}:lookup`, {
          headers: { "Content-Type": "application/json", ...owners.fieldsOfKey(idempotencyKey) },
          body: JSON.stringify({ service, idempotencyKey: checkedKey(idempotencyKey) }),
          signal: signal ?? null,
        });
        const view = await viewFrom(response);
        return "id" in view ? view : null;
      } catch (error) {
        if (isProblem(error, "process-not-found")) return null;
        throw error;
      }
    },
  };

  async function awaitResult(id: string, { signal, timeoutMs = Infinity }: ResultOptions): Promise<Response> {
    const end = performance.now() + timeoutMs;
    for (let quietPolls = 1; ; quietPolls++) {
      const startedAt = performance.now();
      const holdMs = Math.max(0, Math.min(resultHoldMs, end - startedAt));
      const response = await call("GET", `${processPath(id)}/result`, {
        ...(holdMs >= 1000 ? { headers: { [fields.prefer]: `wait=${wholeSeconds(holdMs)}` } } : {}),
        signal: signal ?? null,
        holdMs,
        isBuffered: false,
      });
      if (!isPending(response)) return response;
      await response.body?.cancel();
      const now = performance.now();
      if (startedAt >= end) throw new WaitTimeoutError(id, await client.status(id, { signal }));
      if (now - startedAt >= 1000) quietPolls = 1;
      else
        await pause(
          Math.max(0, Math.min(backoff({ minMs: 500, maxMs: 5000 }, quietPolls), end - now)),
          signal ?? null,
        );
    }
  }

  async function handleFrom(response: Response, key: string): Promise<ProcessHandle> {
    const id = response.headers.get(fields.stickyProcessId);
    if (id === null) {
      throw new UnexpectedResponseError(
        `HTTP ${response.status} without ${fields.stickyProcessId}: the route has no processes, or this is not the gateway`,
        response,
        { idempotencyKey: key },
      );
    }
    owners.remember(id, key, response.headers.get(fields.stickyOwner));
    const replayed = response.headers.get(fields.idempotentReplayed) === "true";
    if (!isPending(response)) return handle(id, key, replayed, response);
    await response.body?.cancel();
    return handle(id, key, replayed, null);
  }

  /** `first` is the response to the submit; it is returned once, because its body can be read once. */
  function handle(
    id: string,
    idempotencyKey: string | null,
    replayed: boolean,
    first: Response | null,
  ): ProcessHandle {
    let unread = first;
    return {
      id,
      idempotencyKey,
      replayed,
      status: (callOptions) => client.status(id, callOptions),
      wait: (waitOptions) => client.wait(id, waitOptions),
      async result(resultOptions) {
        const response = unread;
        unread = null;
        return response ?? client.result(id, resultOptions);
      },
      cancel: (callOptions) => client.cancel(id, callOptions),
      rerun: (rerunOptions) => client.rerun(id, rerunOptions),
    };
  }

  return client;
}

/** The gateway's own 202; a service's 202 is a result. */
function isPending(response: Response): boolean {
  return response.status === 202 && response.headers.get(fields.stickySource) === "gateway";
}

async function viewFrom(response: Response): Promise<ProcessView> {
  if (response.status !== 200 && response.status !== 202) {
    throw new UnexpectedResponseError(`HTTP ${response.status} instead of a process`, response);
  }
  return (await response.json()) as ProcessView;
}

function processPath(id: string): string {
  return `${processApiPath}/${encodeURIComponent(id)}`;
}
