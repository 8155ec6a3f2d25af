/** The admin API as the panel calls it. Errors carry the problem, so that a page can say what it is. */

export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly detail?: string;
  readonly type?: string;
  readonly requestId?: string;
  readonly [member: string]: unknown;
}

export class ApiError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
}

/** Where the panel stands, "" or "/ops/sticky": the server writes it into the index. */
export const basePath = new URL(document.baseURI).pathname.replace(/\/$/, "");

/** A slower answer is none: the store behind the admin service is away. Downloads do not come this way. */
const timeoutMs = 10_000;

/** When the server answered last, for the clock and the badge. */
export const server = { offsetMs: 0 };

/** Epoch ms by the server's clock. */
export function serverNow(): number {
  return Date.now() + server.offsetMs;
}

/** @throws ApiError; TypeError when nothing answers */
export async function call<T>(
  method: string,
  path: string,
  options: { readonly body?: unknown; readonly version?: number | null; readonly signal?: AbortSignal } = {},
): Promise<T> {
  const { body, version, signal } = options;
  const answer = await fetch(`${basePath}/api/v1${path}`, {
    method,
    credentials: "same-origin",
    cache: "no-cache",
    headers: {
      accept: "application/json",
      ...(method === "GET" ? {} : { "content-type": "application/json" }),
      ...(version == null ? {} : { "if-match": `"v${version}"` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]),
  });
  const date = Date.parse(answer.headers.get("date") ?? "");
  if (!Number.isNaN(date) && Math.abs(date - Date.now()) > 1500) server.offsetMs = date - Date.now();
  const text = await answer.text();
  const value: unknown = text === "" ? null : JSON.parse(text);
  if (!answer.ok) throw new ApiError(value as Problem);
  return value as T;
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> =>
  call<T>("GET", path, signal === undefined ? {} : { signal });

/** "?a=1" of the members that have a value; "" without any. */
export function queryText(query: Readonly<Record<string, string | number | null | undefined>>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== null && value !== undefined && value !== "") params.set(name, String(value));
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}
