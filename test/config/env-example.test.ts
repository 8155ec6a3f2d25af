import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig, options } from "@sticky-proxy/runtime";
import { expect } from "chai";

const text = readFileSync(join(import.meta.dirname, "../../.env.example"), "utf8");
const entries = new Map(
  text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const),
);

describe(".env.example", () => {
  it("names every variable that the gateway reads, and no other", () => {
    expect([...entries.keys()]).to.have.members(options.map(({ env }) => env));
  });

  it("every value in it is valid", () => {
    const result = loadConfig({ yaml: null, env: Object.fromEntries(entries), flags: {}, node: "n" });
    expect(result.ok ? [] : result.errors).to.deep.equal([]);
    expect(result.ok && result.warnings).to.deep.equal([]);
  });
});
