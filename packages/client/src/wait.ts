/**
 * Follows a process to its end by long polls. Each poll names the last known version, so any replica can answer it when
 * the version changes; when polls are answered at once without a change, the pauses between them grow.
 */

import { fields, type ProcessView } from "@sticky-proxy/protocol";
import { ConnectionError, ProblemError, WaitTimeoutError } from "./errors.ts";
import { retryAfterOf } from "./problem-reply.ts";
import { backoff, pause } from "./transport.ts";

export interface WaitOptions {
  /** Aborting stops the waiting, not the process. */
  readonly signal?: AbortSignal | undefined;
  /** Default: no limit. */
  readonly timeoutMs?: number;
  /** Called for each new version, including the last. */
  readonly onUpdate?: (view: ProcessView) => void;
}

/** Sends one status request with these fields, without a retry. */
export type Poll = (headers: Headers, signal: AbortSignal | null, holdMs: number) => Promise<Response>;

const maxHoldMs = 25_000;
/** A faster response without a new version is followed by a pause. */
const heldMs = 1000;
const pauses = { minMs: 250, maxMs: 5000 };
/** How long consecutive failures are tolerated: a restart, a fail-over. */
const maxOutageMs = 120_000;

/** The view of the ended process. Rejects with WaitTimeoutError, ProblemError, ConnectionError or the signal's reason. */
export async function waitForEnd(poll: Poll, id: string, options: WaitOptions): Promise<ProcessView> {
  const signal = options.signal ?? null;
  const end = options.timeoutMs === undefined ? Infinity : performance.now() + options.timeoutMs;
  let view: ProcessView | null = null;
  let etag: string | null = null;
  let quietPolls = 0;
  let failingSince: number | null = null;
  for (;;) {
    const startedAt = performance.now();
    const isLast = startedAt >= end;
    // The first poll returns the state at once, the next ones wait for a newer version.
    const holdMs = view === null ? 0 : Math.max(0, Math.min(maxHoldMs, end - startedAt));
    const answer: Answer = await ask(poll, etag, holdMs, signal);
    const news = answer.view !== null && answer.view.version !== view?.version;
    if (answer.view !== null) {
      view = answer.view;
      etag = answer.etag;
    }
    if (news) options.onUpdate?.(answer.view);
    if (view?.done === true) return view;
    if (isLast) throw new WaitTimeoutError(id, view);

    const now = performance.now();
    failingSince = answer.failure === null ? null : (failingSince ?? startedAt);
    if (failingSince !== null && now - failingSince > maxOutageMs) throw answer.failure!;
    const wasHeld = answer.failure === null && now - startedAt >= heldMs;
    quietPolls = news ? 0 : quietPolls + 1;
    if (news || wasHeld) continue;
    const pauseMs = Math.max(answer.retryAfterMs ?? pauses.minMs, backoff(pauses, quietPolls));
    await pause(Math.max(0, Math.min(pauseMs, end - now)), signal);
  }
}

interface Answer {
  /** null: no new version, or no response. */
  readonly view: ProcessView | null;
  readonly etag: string | null;
  readonly retryAfterMs: number | null;
  /** The reason of a missing response; the failure is transient. */
  readonly failure: Error | null;
}

async function ask(
  poll: Poll,
  etag: string | null,
  holdMs: number,
  signal: AbortSignal | null,
): Promise<Answer> {
  try {
    const response = await poll(pollHeaders(etag, holdMs), signal, holdMs);
    const retryAfterMs = retryAfterOf(response, Date.now());
    if (response.status === 304) {
      await response.body?.cancel();
      return { view: null, etag: null, retryAfterMs, failure: null };
    }
    const view = (await response.json()) as ProcessView;
    return { view, etag: response.headers.get("etag"), retryAfterMs, failure: null };
  } catch (error) {
    signal?.throwIfAborted();
    if (!isPassing(error)) throw error;
    const retryAfterMs = error instanceof ProblemError ? error.retryAfterMs : null;
    return { view: null, etag: null, retryAfterMs, failure: error };
  }
}

function pollHeaders(etag: string | null, holdMs: number): Headers {
  const headers = new Headers();
  if (etag === null) return headers;
  headers.set("If-None-Match", etag);
  if (holdMs >= 1000) headers.set(fields.prefer, `wait=${Math.floor(holdMs / 1000)}`);
  return headers;
}

/** Reading the status again is always safe, so every transient failure is retried. */
function isPassing(error: unknown): error is Error {
  if (error instanceof ProblemError) return error.status === 429 || error.status === 503;
  // A SyntaxError: truncated JSON, or the page of an intermediary.
  return error instanceof ConnectionError || error instanceof SyntaxError;
}
