import { expect } from "chai";
import { readdirSync } from "node:fs";
import { cacheScripts } from "../cache/scripts.ts";
import { mirrorScripts } from "../mirror/scripts.ts";
import { processScripts } from "../process/scripts.ts";
import { checkScript, ScriptInvalid, type Script } from "./scripts.ts";

const folders = ["process", "cache", "mirror"].map((name) => new URL(`../${name}/`, import.meta.url));

const good = `#!lua flags=no-writes
--[[ example: show.
KEYS[1]  process  HASH
ARGV[1]  scope    ARGV[2]  call    ARGV[3..]  more (any)
Returns  {scope, call} ]]
redis.call('GET', KEYS[1])
return { ARGV[1], ARGV[2], #ARGV }
`;

function check(
  source: string,
  given: Partial<{ keys: string[]; args: string[]; moreArgs: string; moreKeys: string }> = {},
): void {
  const { keys = ["process"], args = ["scope", "call"], ...more } = { moreArgs: "more", ...given };
  checkScript(source, { name: "example", file: new URL("file:///example.lua"), keys, args, ...more });
}

describe("scripts", () => {
  const all: Script<string, string>[] = [...Object.values(processScripts), ...cacheScripts, ...mirrorScripts];

  it("every script's body keeps to its header, and every file is used", () => {
    for (const script of all) expect(script.text().sha, script.name).to.match(/^[0-9a-f]{40}$/);
    const files = folders.flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => name.endsWith(".lua"))
        .map((name) => new URL(name, folder).href),
    );
    expect(all.map(({ file }) => file.href).sort()).to.deep.equal(files.sort());
    expect(new Set(all.map(({ name }) => name)).size, "names are unique").to.equal(all.length);
  });

  it("finishing and deleting work when memory is full, starting does not, reading writes nothing", () => {
    const flags = (script: Script<string, string>): string => script.text().source.split("\n")[0]!;
    const { create, supersede, read, ...finishing } = processScripts;
    expect(flags(create)).to.equal("#!lua flags=");
    expect(flags(supersede)).to.equal("#!lua flags=");
    expect(flags(read)).to.equal("#!lua flags=no-writes");
    for (const script of Object.values(finishing)) {
      expect(flags(script), script.name).to.equal("#!lua flags=allow-oom");
    }
  });

  it("a correct script passes", () => {
    check(good);
  });

  const broken: [string, () => void][] = [
    [
      "a body that uses a key its header does not name",
      () => check(good.replace("KEYS[1])", "KEYS[1], KEYS[2])")),
    ],
    [
      "a body that uses an argument its header does not name",
      () => check(good.replace("#ARGV", "ARGV[3]"), { moreArgs: "more" }),
    ],
    [
      "a header that names a key the body never reads",
      () => check(good.replace("redis.call('GET', KEYS[1])\n", "")),
    ],
    [
      "a use that stands in a comment only",
      () => check(good.replace("redis.call('GET'", "-- redis.call('GET'")),
    ],
    ["names that differ from the caller's", () => check(good, { keys: ["record"] })],
    ["names in another order", () => check(good, { args: ["call", "scope"] })],
    [
      "open-ended arguments that the caller does not know",
      () => check(good.replace("ARGV[3..]  more (any)", "")),
    ],
    ["a header that begins with another script's name", () => check(good.replace("example:", "other:"))],
    ["a missing flags line", () => check(good.replace("#!lua flags=no-writes\n", ""))],
    ["a header that does not say what it returns", () => check(good.replace("Returns", "Gives"))],
    ["a script with nothing to echo", () => check(good, { args: ["scope"] })],
  ];
  for (const [what, run] of broken) {
    it(`refuses ${what}`, () => {
      expect(run).to.throw(ScriptInvalid);
    });
  }
});
