/** Posts reports to the gateway, again while it is not available: services must retry callbacks. */
import { setTimeout as sleep } from "node:timers/promises";

export interface Report {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Reported {
  /** 0: there was no response. */
  readonly status: number;
  readonly body: string;
}

const maxAttempts = 5;

/** Posts until a response is not 5xx, at most five times; Retry-After is honoured up to 5 s. */
export async function post({ url, headers, body }: Report, signal: AbortSignal): Promise<Reported> {
  let last: Reported = { status: 0, body: "" };
  for (let attempt = 1; attempt <= maxAttempts && !signal.aborted; attempt += 1) {
    let waitMs = 100 * 2 ** attempt;
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers,
        body,
        redirect: "manual",
        signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
      });
      last = { status: answer.status, body: await answer.text() };
      if (answer.status < 500) return last;
      waitMs = Math.min(5000, Number(answer.headers.get("retry-after")) * 1000 || waitMs);
    } catch {
      last = { status: 0, body: "" };
    }
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
  }
  return last;
}
