// The container's health check: exit 0 when the ops port says ready. Slim images have no curl.
// usage: node health.mjs [url]
import process from "node:process";

const port = process.env.STICKY_OPS_PORT || "9180";
const url = process.argv[2] ?? `http://127.0.0.1:${port}/readyz`;
try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(2500) });
  if (!answer.ok) process.stderr.write(`${answer.status} ${await answer.text()}\n`);
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error.cause?.message ?? error.message}\n`);
  process.exitCode = 1;
}
