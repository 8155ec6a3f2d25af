import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { runCli } from "../cli.ts";
import { exitCodes } from "../command.ts";
import { uses } from "../printing/starter-file.ts";

describe("init", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sticky-init-"));
    file = join(folder, "sticky.yaml");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function run(argv: readonly string[], typed: string[] | null = null) {
    const said: string[] = [];
    const asked: string[] = [];
    const ask = (text: string) => {
      asked.push(text);
      return Promise.resolve(typed!.shift() ?? "");
    };
    const code = await runCli(argv, {
      out: (line) => said.push(line),
      err: (line) => said.push(line),
      env: {},
      ...(typed === null ? {} : { ask }),
    });
    return { code, said: said.join("\n"), asked };
  }

  for (const use of uses) {
    it(`writes a commented file for ${use}, which check-config takes`, async () => {
      const second = use === "mirror" ? ["--second", "http://127.0.0.1:3001"] : [];
      const argv = ["init", "--origin", "http://127.0.0.1:3000/", "--use", use, ...second, "--file", file];
      expect((await run(argv)).code).to.equal(exitCodes.ok);
      const text = readFileSync(file, "utf8");
      expect(text).to.match(/^# .+/).and.include('instances: ["http://127.0.0.1:3000"]');
      expect(text.split("\n").filter((line) => line.trim().startsWith("#")).length).to.be.greaterThan(6);
      const checked = await run(["check-config", "--config", file]);
      expect(checked.code, checked.said).to.equal(exitCodes.ok);
    });
  }

  it("asks two questions at a terminal, with an answer for each", async () => {
    const { code, asked } = await run(["init", "--file", file], ["", ""]);
    expect(code).to.equal(exitCodes.ok);
    expect(asked).to.have.lengthOf(2);
    expect(asked[1]).to.include("cache ").and.include("[idempotency]");
    expect(readFileSync(file, "utf8")).to.include("identity: key");
  });

  it("takes what is typed", async () => {
    await run(["init", "--file", file], ["https://app.internal:8443", "cache"]);
    expect(readFileSync(file, "utf8")).to.include("https://app.internal:8443").and.include("cache: {");
  });

  it("never writes over a file", async () => {
    const argv = ["init", "--origin", "http://a:1", "--use", "plain", "--file", file];
    await run(argv);
    const before = readFileSync(file, "utf8");
    const { code, said } = await run([...argv.slice(0, 4), "cache", ...argv.slice(5)]);
    expect([code, readFileSync(file, "utf8")]).to.deep.equal([exitCodes.failed, before]);
    expect(said).to.include("is there already");
  });

  for (const [what, argv, message] of [
    ["nobody to ask", [], /needs --origin/],
    ["nobody to ask for the use", ["--origin", "http://a:1"], /needs --use/],
    ["an origin with a path", ["--origin", "http://a/x", "--use", "cache"], /is an origin such as/],
    ["an origin with a password", ["--origin", "http://u:p@a", "--use", "cache"], /is an origin such as/],
    ["no URL", ["--origin", "here", "--use", "cache"], /not "here"/],
    ["a use that is none", ["--origin", "http://a:1", "--use", "cash"], /one of: idempotency/],
    ["a mirror without its second backend", ["--origin", "http://a:1", "--use", "mirror"], /needs --second/],
  ] as const) {
    it(`writes nothing with ${what}`, async () => {
      const { code, said } = await run(["init", ...argv, "--file", file]);
      expect(code).to.equal(exitCodes.usage);
      expect(said).to.match(message);
      expect(existsSync(file)).to.equal(false);
    });
  }
});
