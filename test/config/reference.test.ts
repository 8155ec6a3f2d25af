/** The README's configuration reference is the schema's own words: it cannot go stale unseen. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { configReference } from "@sticky-proxy/runtime";
import { expect } from "chai";

const begin = "<!-- configuration reference: begin -->";
const end = "<!-- configuration reference: end -->";

describe("README", () => {
  it("holds the output of `sticky-proxy print-config --reference` between its two marks", () => {
    const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");
    expect(readme).to.contain(begin).and.contain(end);
    const written = readme.slice(readme.indexOf(begin) + begin.length, readme.indexOf(end)).trim();
    expect(written).to.equal(configReference());
  });
});
