import Router from "@koa/router";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import type { Problem } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { reserved } from "./reserved.ts";
import { outcomeOf, testContext, testHead, testState } from "./testing.ts";

async function routed(method: string, path: string) {
  const called: string[] = [];
  const things = new Router();
  things.get("/_sticky/things/:id", async (ctx) => void called.push(`get ${ctx.params["id"]}`));
  things.delete("/_sticky/things/:id", async () => void called.push("delete"));
  const others = new Router();
  others.post("/_sticky/away", async () => Promise.reject(new StoreUnavailable("no answer")));
  others.post("/_sticky/broken", async () => Promise.reject(new TypeError("a fault")));
  const { ctx } = testContext(testState({ head: testHead({ method, path }) }));
  return { outcome: await outcomeOf(reserved([things, others]), ctx), called };
}

describe("the gateway's own resources", () => {
  for (const { method, path, outcome, called } of [
    { method: "GET", path: "/_sticky/things/7", outcome: "done", called: ["get 7"] },
    { method: "HEAD", path: "/_sticky/things/7", outcome: "done", called: ["get 7"] },
    { method: "DELETE", path: "/_sticky/things/7", outcome: "done", called: ["delete"] },
    { method: "GET", path: "/_stickyness", outcome: "next", called: [] },
    { method: "GET", path: "/things/7", outcome: "next", called: [] },
  ]) {
    it(`${outcome === "next" ? "leave to the services" : "answer"} ${method} ${path}`, async () => {
      expect(await routed(method, path)).to.deep.equal({ outcome, called });
    });
  }

  for (const { method, path, slug, headers, executed } of [
    { method: "GET", path: "/_sticky/nothing", slug: "service-not-found", executed: "no" },
    {
      method: "PUT",
      path: "/_sticky/things/7",
      slug: "method-not-allowed",
      headers: { Allow: "DELETE, GET, HEAD" },
      executed: "no",
    },
    {
      method: "POST",
      path: "/_sticky/away",
      slug: "store-unavailable",
      headers: { "Retry-After": "1" },
      executed: "unknown",
    },
  ]) {
    it(`answer ${method} ${path} with ${slug}`, async () => {
      const problem = (await routed(method, path)).outcome as Problem;
      expect(problem).to.include({ slug, executed });
      expect(problem.options.headers).to.deep.equal(headers);
    });
  }

  it("pass on an error of their own as it is", async () => {
    expect((await routed("POST", "/_sticky/broken")).outcome).to.be.instanceOf(TypeError);
  });
});
