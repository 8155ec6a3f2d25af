import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { createTrials } from "./trials.ts";

const root = path.join(import.meta.dirname, "../..");
const file = "packages/protocol/src/http/token.ts";
const tests = ["packages/protocol/src/http/token.test.ts"];
const source = readFileSync(path.join(root, file), "utf8");

describe("a process that tries mutants", () => {
  const trials = createTrials(root);
  after(() => trials.end());

  it("names the test that fails with the fault, and goes on with the next as if there had been none", async () => {
    expect(await trials.prepare(tests)).to.equal(null);
    expect(await trials.try(file, source, tests)).to.equal(null);
    const broken = source.replaceAll("return ", "return !");
    expect(broken).to.not.equal(source);
    expect(await trials.try(file, broken, tests)).to.be.a("string");
    expect(await trials.try(file, source, tests)).to.equal(null);
  });

  it("notices what cannot be loaded and what ends the process", async () => {
    expect(await trials.try(file, `${source}\nthrow new Error("no");`, tests)).to.include("not loaded");
    expect(await trials.try(file, `${source}\nprocess.exit(0);`, tests)).to.equal("the process ended");
    expect(await trials.try(file, source, tests)).to.equal(null);
  });
});
