/** `node main.ts --port N --name NAME`: one instance of the demo service. */
import { parseArgs } from "node:util";
import { startDemo } from "./app.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "4000" },
    host: { type: "string", default: "127.0.0.1" },
    name: { type: "string", default: "demo" },
    "users-version": { type: "string", default: "1" },
    "users-difference": { type: "boolean", default: false },
    "webhook-url": { type: "string" },
    "webhook-token": { type: "string" },
    "webhook-secret": { type: "string" },
  },
});

const port = Number(values.port);
const url = values["webhook-url"];
if (!Number.isInteger(port) || port < 0 || port > 65_535) fail("--port must be a number from 0 to 65535");
if (!/^[A-Za-z0-9._-]{1,60}$/.test(values.name)) fail("--name must be letters, digits, dots and dashes");
if (values["users-version"] !== "1" && values["users-version"] !== "2")
  fail("--users-version must be 1 or 2");
if (url !== undefined && !URL.canParse(url)) fail("--webhook-url must be a URL");

try {
  const demo = await startDemo(
    { port, host: values.host },
    {
      name: values.name,
      usersVersion: values["users-version"] === "2" ? 2 : 1,
      usersDifference: values["users-difference"],
      webhook:
        url === undefined
          ? null
          : { url, token: values["webhook-token"] ?? null, secret: values["webhook-secret"] ?? null },
    },
  );
  process.stderr.write(`demo ${values.name} listening on http://${values.host}:${demo.port}\n`);
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => void demo.close().then(() => process.exit(0)));
} catch (error) {
  fail(error instanceof Error ? error.message : String(error), 69);
}

function fail(message: string, code = 64): never {
  process.stderr.write(`demo: ${message}\n`);
  process.exit(code);
}
