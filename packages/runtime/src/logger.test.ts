import { spawnSync } from "node:child_process";
import { Writable } from "node:stream";
import { expect } from "chai";
import { Problem, asMonotonicMs } from "@sticky-proxy/protocol";
import { createLogger, type Logger, type LoggerOptions } from "./logger.ts";

type Line = Record<string, unknown>;

function recording(options: Partial<LoggerOptions> = {}): { log: Logger; lines: () => Line[] } {
  let text = "";
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const log = createLogger({ level: "info", stream, ...options });
  const lines = (): Line[] => {
    stream.uncork(); // they are written after a delay
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Line);
  };
  return { log, lines };
}

describe("logger", () => {
  it("buffers lines for a short time, and writes them at an error, at the size limit, and at the end of the process", async () => {
    const writes: number[] = [];
    let written = Promise.withResolvers<void>();
    const stream = new Writable({
      writev(chunks, done) {
        writes.push(chunks.length);
        done();
        written.resolve();
      },
    });
    const log = createLogger({ level: "info", stream });
    for (let i = 0; i < 3; i += 1) log.info("event");
    expect(writes).to.deep.equal([]);
    await written.promise;
    expect(writes).to.deep.equal([3]);
    log.info("event");
    log.error("trouble");
    expect(writes).to.deep.equal([3, 2]);
    written = Promise.withResolvers<void>();
    for (let i = 0; i < 100; i += 1) log.info("event", { path: "x".repeat(1000) });
    expect(writes).to.deep.equal([3, 2, 62]);
    await written.promise;

    const program = `import { createLogger } from "./logger.ts";
      createLogger({ level: "info" }).info("last");
      process.exit(3);`;
    const ended = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", program], {
      cwd: import.meta.dirname,
      encoding: "utf8",
    });
    expect([ended.status, ended.stderr]).to.deep.equal([3, ""]);
    expect(ended.stdout).to.match(/"msg":"last"\}\n$/);
  });

  it("writes one JSON line per event: ts, level, msg, then the fields in snake case", () => {
    const { log, lines } = recording({ fields: { serviceName: "proxy" } });
    log.info("process.completed", { processId: "1.a.b", durationMs: 4 });
    const [line] = lines();
    expect(Object.keys(line ?? {})).to.deep.equal([
      "ts",
      "level",
      "msg",
      "service_name",
      "process_id",
      "duration_ms",
    ]);
    expect(line).to.include({
      level: "info",
      msg: "process.completed",
      service_name: "proxy",
      duration_ms: 4,
    });
    expect(line?.ts).to.match(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it("a field cannot replace level, msg or ts", () => {
    const { log, lines } = recording();
    log.info("real", { level: "error", msg: "forged", ts: "never", message: "kept" });
    expect(lines()[0]).to.include({ level: "info", msg: "real", message: "kept" });
  });

  it("a line break in a value is escaped", () => {
    const { log, lines } = recording();
    log.info("event", { path: 'a\n{"level":"error"}' });
    expect(lines()).to.have.length(1);
  });

  it("writes nothing below its level, and isOn says so", () => {
    const { log, lines } = recording({ level: "warn" });
    log.info("no");
    log.debug("no");
    log.warn("yes");
    expect(lines().map(({ msg }) => msg)).to.deep.equal(["yes"]);
    expect([log.isOn("error"), log.isOn("warn"), log.isOn("info")]).to.deep.equal([true, true, false]);
  });

  it("redacts a line before any other format", () => {
    const { log, lines } = recording();
    log.info("event", {
      headers: [["Authorization", "Bearer abcdefghijk"]],
      err: new Error("at redis://u:pw1234@h"),
    });
    expect(JSON.stringify(lines())).to.not.match(/abcdefghijk|pw1234/);
    expect(lines()[0]).to.have.nested.property("err.type", "Error");
  });

  it("prints the code of an error beside its type", () => {
    const { log, lines } = recording();
    log.warn("process.refused", { err: new Problem("store-unavailable") });
    expect(lines()[0]).to.have.nested.include({ "err.type": "Problem", "err.code": "store-unavailable" });
  });

  it("a child logger adds fields, and the fields of a line take precedence", () => {
    const { log, lines } = recording();
    log.child({ requestId: "r1", service: "a" }).info("event", { service: "b" });
    expect(lines()[0]).to.include({ request_id: "r1", service: "b" });
  });

  it("writes ten equal errors per window, and the next line has the number of suppressed ones", () => {
    let now = 0;
    const { log, lines } = recording({ clock: { monotonic: () => asMonotonicMs(now) } });
    for (let i = 0; i < 25; i += 1) log.error("redis.error", { err: new TypeError("x") });
    log.error("redis.error", { err: new RangeError("another kind passes") });
    expect(lines()).to.have.length(11);
    now = 10_001;
    log.error("redis.error", { err: new TypeError("x") });
    expect(lines().at(-1)).to.include({ suppressed: 15 });
    for (let i = 0; i < 25; i += 1) log.info("access");
    expect(lines().filter(({ msg }) => msg === "access")).to.have.length(25);
  });

  it("a different error of a storming event is not suppressed, though its class is the same", () => {
    const { log, lines } = recording({ clock: { monotonic: () => asMonotonicMs(0) } });
    for (let i = 0; i < 25; i += 1) log.error("request.failed", { err: new TypeError(`no port ${i}`) });
    log.error("request.failed", { err: new TypeError("x is not a function") });
    log.error("request.failed", { err: Object.assign(new TypeError("no port 1"), { code: "EPIPE" }) });
    expect(lines()).to.have.length(12);
    for (let i = 0; i < 25; i += 1) log.error("task.failed", { task: "a", err: new Error("away") });
    log.error("task.failed", { task: "b", err: new Error("away") });
    expect(lines()).to.have.length(23);
  });

  it("writes a hundred different errors of one event per window", () => {
    let now = 0;
    const { log, lines } = recording({ clock: { monotonic: () => asMonotonicMs(now) } });
    const word = (i: number): string => "x".repeat(i + 1);
    for (let i = 0; i < 150; i += 1) log.error("request.failed", { err: new Error(word(i)) });
    expect(lines()).to.have.length(100);
    log.error("another", { err: new Error("passes") });
    now = 10_001;
    log.error("request.failed", { err: new Error(word(149)) });
    expect(lines()).to.have.length(102);
    expect(lines().at(-1)).to.include({ suppressed: 1 });
  });
});
