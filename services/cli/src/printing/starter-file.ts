/** The text of a first sticky.yaml: as little as runs, each entry with what it does. Pure. */

/** The five uses of README, and passing on alone. */
export const uses = ["idempotency", "processes", "async", "cache", "mirror", "plain"] as const;

export type Use = (typeof uses)[number];

export interface Starter {
  /** Origin of the service. */
  readonly origin: string;
  readonly use: Use;
  /** Origin of the second backend; only for `mirror`. */
  readonly second: string | null;
}

/** For people who are asked. */
export const useAbout: Readonly<Record<Use, string>> = {
  idempotency: "the same Idempotency-Key runs once; retries get the first answer",
  processes: "the same request runs once at a time; clients get 202 and poll",
  async: "clients are held until the job's webhook arrives",
  cache: "a shared HTTP cache",
  mirror: "a second backend gets every request, and answers are compared",
  plain: "requests are passed on; policies come later",
};

const routes: Readonly<Record<Use, string>> = {
  idempotency: `    routes:
      # A write with an Idempotency-Key runs once, on whichever replica it arrives; its answer is replayed for a day.
      # Without a key a request stays plain: \`key: required\` refuses it.
      - match: { methods: [POST, PUT, PATCH, DELETE] }
        process: { identity: key, key: optional, resultTtlMs: 86400000 }
`,
  processes: `    routes:
      # The same request joins the one that runs. Its client gets 202 with an address to poll at once; with a larger waitMs it
      # waits for the answer itself.
      - match: { methods: [POST] }
        process: { identity: request, waitMs: 0, resultTtlMs: 600000 }
`,
  async: `    routes:
      # The service answers 202 and reports back later to the address in its request body's /callback_url; the client is held
      # for up to 30 s, then it gets 202 and polls.
      - match: { methods: [POST] }
        process:
          identity: request
          completion: callback
          waitMs: 30000
          deadlineMs: 900000
          callback: { inject: { json: /callback_url } }
`,
  cache: `    routes:
      # What the service allows to be stored is stored (RFC 9111). Where its answers say nothing, they live for a minute.
      - match: { methods: [GET, HEAD] }
        cache: { defaultTtlMs: 60000, staleIfErrorMs: 3600000 }
`,
  mirror: `    routes:
      # Every request also goes to the second backend, behind the answer; differences are recorded: sticky-proxy mirror report
      - mirror: { to: app-v2, mode: shadow }
`,
  plain: `    # Policies for some of its requests: CONFIGURATION.md. What one request meets: sticky-proxy explain POST /path
    routes: []
`,
};

export function starterFile({ origin, use, second }: Starter): string {
  const other =
    use === "mirror" && second !== null
      ? `
  # Reached by no client of its own.
  app-v2:
    instances: [${JSON.stringify(second)}]
    match: none
`
      : "";
  return `# ${useAbout[use]}. All entries: CONFIGURATION.md, or sticky-proxy help serve
# Check it: sticky-proxy check-config --config FILE. Run it: sticky-proxy serve --config FILE

# Where clients connect. Other machines reach it with 0.0.0.0; then name its hosts, and put TLS in front or into \`tls\`.
host: 127.0.0.1
port: 8080

# Processes, locks and the cache. Any number of replicas share one Redis.
redis:
  url: redis://127.0.0.1:6379

services:
  app:
    instances: [${JSON.stringify(origin)}]
    # Every path is this service's. Without \`match\` it is reached below /app/, and the prefix is taken off.
    match: { path: / }
    # The client's Host goes on, as an application that makes links of its own expects.
    preserveHost: true
    # Take instances out that do not answer, once the service has a page for that:
    # health: { path: /health }
${routes[use]}${other}`;
}
