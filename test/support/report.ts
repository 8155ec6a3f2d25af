/** A service's report on an execution, as the gateway asked for it: to its callback address, with the token of that dispatch. */
import type { RecordedRequest } from "@sticky-proxy/testkit";

export interface Report {
  readonly action?: string;
  readonly body?: string;
  /** Origin of another node than the callback address names. */
  readonly at?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function report(
  dispatch: Pick<RecordedRequest, "headers">,
  { action = "complete", body = "{}", at, headers = {} }: Report = {},
): Promise<Response> {
  const url = new URL(dispatch.headers.get("sticky-callback-url")!.replace(/complete$/, action));
  return fetch(`${at ?? url.origin}${url.pathname}`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "Sticky-Execution": dispatch.headers.get("sticky-execution")!,
      ...headers,
    },
    body,
  });
}
