// What npm start prints when everything is ready.

/** The table of addresses and requests to try. `tries` null: those of the demo. */
export function welcome({ port, opsPort, panel, demos, redis, logs, tries }) {
  const base = `http://127.0.0.1:${port}`;
  const rows = [
    ["gateway", base],
    ["admin panel", panel],
    ["metrics, health", `http://127.0.0.1:${opsPort}/metrics  /readyz  /livez`],
    ["demo service", demos.map((demo) => `http://127.0.0.1:${demo}`).join("  ")],
    ["Redis", redis],
    ["logs", logs],
  ];
  const table = rows.map(([name, value]) => `  ${name.padEnd(16)} ${value}`).join("\n");
  return `
sticky-proxy is running. Ctrl-C stops it; results survive.

${table}

Try it:

${tries === null ? ofDemo(base) : tries.map((line) => (line === "" ? "" : `  ${line}`)).join("\n")}

`;
}

function ofDemo(base) {
  return `  # A payment. Send it again: the same answer comes from the store, and nothing is charged twice.
  curl -i ${base}/payments/charges -H 'Idempotency-Key: "order-1"' -H 'Content-Type: application/json' -d '{"amount": 4200}'

  # Long work: 202 at once, and in Location the process to poll. Sent again it is the same process; after five
  # seconds the same request gets its result.
  curl -i ${base}/work/reports -H 'Content-Type: application/json' -d '{"title": "sales", "delayMs": 5000, "heartbeats": 5}'

  # A job server with a webhook: you are held until its webhook brings the answer.
  curl -i ${base}/work/jobs -H 'Content-Type: application/json' -d '{"account": "a-1", "delayMs": 2000}'`;
}
