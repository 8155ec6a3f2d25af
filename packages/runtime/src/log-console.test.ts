import { PassThrough } from "node:stream";
import { expect } from "chai";
import { consoleLine } from "./log-console.ts";
import { createLogger, type LoggerOptions } from "./logger.ts";

const at = new Date(2026, 0, 2, 3, 4, 5, 67);

/** @returns what is written for one event, on a stream that is a terminal or not */
function written(options: Partial<LoggerOptions>, isTTY: boolean): string {
  const stream = Object.assign(new PassThrough(), { isTTY });
  const log = createLogger({ level: "info", stream, fields: { replica: "n1" }, ...options });
  log.warn("process.stuck", { processId: "1.a.b", attempt: 2 });
  return String(stream.read());
}

describe("the console form of a log line", () => {
  it("tells a request at a glance: time, request, status, duration, route, instance, then the rest", () => {
    const line = consoleLine(at, "info", "request", {
      request_id: "r1",
      client: "192.0.2.1",
      method: "POST",
      path: "/payments/charges",
      service: "payments",
      route: "charges",
      status: 502,
      duration_ms: 1.5,
      instance: "i1",
      attempts: 1,
      upstream_reason: "refused",
      process_id: null,
    });
    expect(line).to.equal(
      "03:04:05.067 POST /payments/charges 502 1.5 ms payments/charges → i1 " +
        "request_id=r1 client=192.0.2.1 attempts=1 upstream_reason=refused",
    );
  });

  it("shows a dash where nothing was sent, and no arrow where nothing was asked", () => {
    const line = consoleLine(at, "info", "request", {
      method: "GET",
      path: "/",
      status: null,
      service: null,
    });
    expect(line).to.equal("03:04:05.067 GET / -");
  });

  it("names level and event of all others, quotes text with spaces, and puts an error's stack below", () => {
    const err = { type: "Error", message: "no answer", stack: "Error: no answer\n    at a (b.ts:1:1)" };
    expect(consoleLine(at, "error", "task.failed", { task: "sweep", err, of: { a: 1 } })).to.equal(
      '03:04:05.067 ERROR task.failed task=sweep err="no answer" of={"a":1}\n    at a (b.ts:1:1)',
    );
  });

  it("lets nobody move the cursor, change colours, begin a line or reverse the text", () => {
    const line = consoleLine(at, "info", "request", {
      method: "GET",
      path: "/\u001b[2J\r\n\u009b1m\u202e",
      x: "\u0007",
    });
    expect(line).to.match(/^[ -~]+$/);
    expect(line).to.include("/\\u001b[2J\\u000d\\u000a");
  });

  for (const { format, isTTY, isConsole } of [
    { format: undefined, isTTY: true, isConsole: true },
    { format: undefined, isTTY: false, isConsole: false },
    { format: "auto", isTTY: true, isConsole: true },
    { format: "json", isTTY: true, isConsole: false },
    { format: "console", isTTY: false, isConsole: true },
  ] as const) {
    it(`${format ?? "no format"} on ${isTTY ? "a terminal" : "a pipe"} is ${isConsole ? "console" : "json"}`, () => {
      const line = written(format === undefined ? {} : { format }, isTTY);
      if (isConsole) expect(line).to.match(/^\S+ WARN process\.stuck process_id=1\.a\.b attempt=2\n$/);
      else expect(JSON.parse(line)).to.include({ msg: "process.stuck", replica: "n1" });
    });
  }
});
