import Router from "@koa/router";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import type { HeaderList } from "@sticky-proxy/core/http";
import { Problem } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { createBodyRooms } from "../listener/body-rooms.ts";
import { reserved } from "./reserved.ts";
import { outcomeOf, testContext, testHead, testState } from "./testing.ts";

const rooms = createBodyRooms(1000, () => undefined);

async function routed(method: string, path: string) {
  const called: string[] = [];
  const things = new Router();
  things.get("/_sticky/things/:id", async (ctx) => void called.push(`get ${ctx.params["id"]}`));
  things.delete("/_sticky/things/:id", async () => void called.push("delete"));
  const others = new Router();
  others.post("/_sticky/away", async () => Promise.reject(new StoreUnavailable("no answer")));
  others.post("/_sticky/broken", async () => Promise.reject(new TypeError("a fault")));
  const { ctx } = testContext(testState({ head: testHead({ method, path }) }));
  return {
    outcome: await outcomeOf(reserved([things, others], { cors: null, ownHosts: [] }, rooms), ctx),
    called,
  };
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

  describe("asked for a change by a page of another site", () => {
    const cors = {
      origins: ["https://app.test"],
      methods: ["POST"],
      headers: ["content-type"],
      exposeHeaders: [],
      credentials: false,
      maxAgeMs: 1000,
    };
    async function changed(headers: HeaderList, method = "DELETE"): Promise<unknown> {
      const things = new Router();
      things.all("/_sticky/things", async () => undefined);
      const { ctx } = testContext(
        testState({ head: testHead({ method, path: "/_sticky/things", headers }) }),
      );
      const outcome = await outcomeOf(reserved([things], { cors, ownHosts: ["public.test"] }, rooms), ctx);
      return outcome instanceof Problem ? outcome.slug : outcome;
    }
    for (const [who, headers, expected] of [
      ["a program", [], "done"],
      ["our own page", [["Origin", "http://h"]], "done"],
      ["our own page behind a balancer", [["Origin", "https://public.test"]], "done"],
      [
        "a page of an allowed origin",
        [
          ["Origin", "https://app.test"],
          ["Sec-Fetch-Site", "cross-site"],
        ],
        "done",
      ],
      ["the user", [["Sec-Fetch-Site", "none"]], "done"],
      [
        "another site",
        [
          ["Origin", "https://other.test"],
          ["Sec-Fetch-Site", "cross-site"],
        ],
        "csrf-rejected",
      ],
      ["another site in an old browser", [["Origin", "https://other.test"]], "csrf-rejected"],
      ["a sandboxed frame", [["Origin", "null"]], "csrf-rejected"],
      [
        "a neighbour of the same site",
        [
          ["Origin", "http://x.h"],
          ["Sec-Fetch-Site", "same-site"],
        ],
        "csrf-rejected",
      ],
    ] as const) {
      it(`${expected === "done" ? "do it" : "refuse"} for ${who}`, async () => {
        for (const method of ["DELETE", "POST", "PUT"])
          expect(await changed(headers, method)).to.equal(expected);
      });
    }
    it("show what they show", async () => {
      expect(await changed([["Origin", "https://other.test"]], "GET")).to.equal("done");
    });
  });
});
