import { createHash } from "node:crypto";
import { Problem, problemBody } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { pageFields, prefersPage, problemPage } from "./problem-page.ts";

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

describe("a problem's page", () => {
  for (const { accept, isPage } of [
    { accept: browser, isPage: true },
    { accept: "TEXT/HTML", isPage: true },
    { accept: "text/html, application/json;q=0.9", isPage: true },
    { accept: "text/html;level=1;q=0.5, */*;q=0.1", isPage: true },
    { accept: null, isPage: false },
    { accept: "", isPage: false },
    { accept: "*/*", isPage: false },
    { accept: "text/*", isPage: false },
    { accept: "application/json, text/html", isPage: false },
    { accept: "application/problem+json, text/html;q=0.9", isPage: false },
    { accept: "application/json, text/plain, */*", isPage: false },
    { accept: "text/html;q=0", isPage: false },
    { accept: "text/html;q=high", isPage: false },
    { accept: "text/html-like", isPage: false },
  ]) {
    it(`Accept: ${accept ?? "absent"} gets ${isPage ? "it" : "JSON"}`, () => {
      expect(prefersPage(accept === null ? [] : [["accept", accept]])).to.equal(isPage);
    });
  }

  it("reads Accept in several lines", () => {
    expect(
      prefersPage([
        ["Accept", "image/png"],
        ["ACCEPT", "text/html"],
      ]),
    ).to.equal(true);
  });

  it("says what happened and what to do, and takes no text for markup", () => {
    const hostile = `<img src=x onerror="alert('1')">&`;
    const problem = new Problem("upstream-timeout", {
      detail: hostile,
      processId: hostile,
      executed: "unknown",
    });
    const page = problemPage(problemBody(problem, hostile)).toString();
    expect(page).to.include("<h1>504 ").and.to.include("Nobody knows whether the service ran your request.");
    expect(page).to.include("&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;");
    expect(page).to.not.include("<img");
  });

  it("may load nothing and run nothing, its style's hash fits", () => {
    const page = problemPage(problemBody(new Problem("draining"), "r")).toString();
    const style = /<style>(.*)<\/style>/.exec(page)![1]!;
    const policy = new Map(pageFields).get("Content-Security-Policy")!;
    expect(policy).to.include("default-src 'none'");
    expect(policy).to.include(`'sha256-${createHash("sha256").update(style).digest("base64")}'`);
    expect(page).to.not.match(/<script|https?:/);
    expect(page).to.include("The service did not run your request.").and.to.include("may succeed later");
  });
});
