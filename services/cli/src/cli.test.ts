import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { commands, runCli, selectCommand } from "./cli.ts";
import { exitCodes } from "./command.ts";
import { visible } from "./printing/visible.ts";

async function run(argv: readonly string[], env: Record<string, string> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(argv, { out: (line) => out.push(line), err: (line) => err.push(line), env });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

const origin = ["--origin", "http://127.0.0.1:8000"];

describe("command line", () => {
  it("the first word names the command, and flags alone mean serve", () => {
    expect(selectCommand(["serve", "proxy", "--port", "1"])).to.deep.equal({
      name: "serve",
      args: ["proxy", "--port", "1"],
    });
    expect(selectCommand(["--port", "1"])).to.deep.equal({ name: "serve", args: ["--port", "1"] });
    expect(selectCommand(["--clear-cache", "--redis", "redis://h"])).to.deep.equal({
      name: "clear-cache",
      args: ["--redis", "redis://h"],
    });
    expect(selectCommand([])).to.deep.equal({ name: "help", args: [] });
    expect(selectCommand(["serve", "--help"])).to.deep.equal({ name: "help", args: ["serve"] });
    expect(selectCommand(["--version"])).to.deep.equal({ name: "version", args: [] });
  });

  it("help lists every command and explains one with every option", async () => {
    const { code, out } = await run(["help"]);
    expect(code).to.equal(exitCodes.ok);
    for (const name of Object.keys(commands)) expect(out).to.match(new RegExp(`^  ${name} +\\S`, "m"));
    expect((await run(["help", "serve"])).out)
      .to.match(/--port N +STICKY_PORT/)
      .and.match(/--config FILE +STICKY_CONFIG/);
    const { out: about } = await run(["help", "dlq"]);
    expect(about)
      .to.match(/^dlq: dead letters/)
      .and.match(/^ {2}sticky-proxy dlq show ID/m)
      .and.contain("--redis URL");
    expect((await run(["help", "version"])).out).to.not.contain("--redis");
  });

  it("version prints the versions of sticky-proxy and of Node", async () => {
    expect((await run(["version"])).out).to.match(/^sticky-proxy \d+\.\d+\.\d+ \(node 24\./);
  });

  for (const [what, argv, message] of [
    ["an unknown command", ["fly"], /no command "fly"/],
    ["a command named like a property", ["constructor"], /no command "constructor"/],
    ["help for nothing", ["help", "fly"], /no command "fly"/],
    ["a mistyped command", ["sevre"], /no command "sevre", did you mean "serve"\?; try/],
    ["help for a mistyped command", ["help", "cancle"], /did you mean "cancel"\?; try/],
    ["an unknown flag", ["serve", "--prot", "1"], /Unknown option '--prot', did you mean "--port"\?/],
    ["a command of terminal controls", ["\u001b[31m\u009b2J\u202e"], /"\\u001b\[31m\\u009b2J\\u202e"/],
    [
      "a value that looks like a flag",
      ["serve", "--ttl", "-5"],
      /^sticky-proxy serve: .* ambiguous; try: .*$/,
    ],
    ["a flag without its value", ["serve", "--port"], /--port/],
    ["a switch with a value", ["serve", "--idempotent=yes"], /--idempotent/],
    ["an unknown part to serve", ["serve", "everything"], /"everything" is not one of: proxy, sweeper/],
    ["one word too many", ["serve", "proxy", "sweeper"], /unexpected argument "sweeper"/],
    ["a word that check-config does not know", ["check-config", "sticky.yaml"], /unexpected argument/],
  ] as const)
    it(`${what} is refused with 64 and one line that says what to try`, async () => {
      const { code, out, err } = await run(argv);
      expect(code).to.equal(exitCodes.usage);
      expect(out).to.equal("");
      expect(err)
        .to.match(message)
        .and.match(/try: sticky-proxy help/);
    });

  it("terminal controls in JSON are written as escapes of the same value", () => {
    const value = { reason: "\u009b2J\u007f\u001b]0;x\u0007\u202e" };
    const line = visible(JSON.stringify(value));
    expect(line).to.match(/^[\u0020-\u007e]+$/);
    expect(JSON.parse(line)).to.deep.equal(value);
  });

  it("check-config counts services and routes", async () => {
    const { code, out } = await run(["check-config", ...origin, "--idempotent"]);
    expect(code).to.equal(exitCodes.ok);
    expect(out).to.equal("the configuration is valid: services 1, routes 2");
  });

  it("check-config reports a route's schema that does not compile with its path, and exits with 78", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sticky-cli-"));
    const file = join(folder, "sticky.yaml");
    const schemas = ["{ type: object }", "{ type: objekt }", '{ pattern: "(a+)+" }'];
    const routes = schemas.map((schema, i) => `{ match: { path: /${i} }, bodySchema: ${schema} }`);
    const services = `{ a: { instances: ["http://127.0.0.1:1"], routes: [${routes.join()}] } }`;
    writeFileSync(file, `services: ${services}`);
    const { code, err, out } = await run(["check-config", "--config", file]);
    rmSync(folder, { recursive: true });
    expect([code, out]).to.deep.equal([78, ""]);
    const lines = err.split("\n");
    expect(lines[0]).to.match(/^services\.a\.routes\.1\.bodySchema: schema is invalid/);
    expect(lines[1]).to.match(/^services\.a\.routes\.2\.bodySchema: the pattern \(a\+\)\+ repeats/);
    expect(lines[2]).to.match(/2 errors/);
  });

  it("check-config prints every error on its own line and exits with 78", async () => {
    const { code, err, out } = await run(["check-config", "--origin", "ftp://x", "--port=-1"], {
      STICKY_OPS_PORT: "many",
    });
    expect(code).to.equal(exitCodes.config);
    expect(out).to.equal("");
    expect(err.split("\n").map((line) => line.split(":")[0])).to.have.members([
      "STICKY_OPS_PORT",
      "--port",
      "--origin",
      "the configuration is not valid (3 errors); nothing was started",
    ]);
  });

  it("an error about a missing configuration names the flags to give", async () => {
    expect((await run(["serve"])).err).to.match(/^services: no service is configured: give .* --origin/);
    const { code, err } = await run(["serve", "--config", "/nowhere.yaml"]);
    expect(code).to.equal(exitCodes.config);
    expect(err).to.match(/^--config: \/nowhere\.yaml: there is no such file$/m);
  });

  it("print-config prints every default as YAML or JSON, without secrets", async () => {
    const env = { STICKY_PURGE_TOKEN: "a-token-that-nobody-may-see" };
    const yaml = await run(["print-config", ...origin], env);
    expect(yaml.out)
      .to.match(/^services:\n  origin:\n/)
      .and.contain('purgeToken: "[redacted]"');
    expect(yaml.out).to.not.contain(env.STICKY_PURGE_TOKEN);
    const json = await run(["print-config", "--json", ...origin, "--cache", "--ttl", "60"], env);
    expect(JSON.parse(json.out)).to.have.nested.property(
      "services.origin.routes[1].cache.defaultTtlMs",
      60_000,
    );
  });
});
