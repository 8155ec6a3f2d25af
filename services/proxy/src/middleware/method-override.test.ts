import { createTestWorld, testRoute } from "@sticky-proxy/core/testing";
import type { CachePolicy, Route } from "@sticky-proxy/core/registry";
import { Problem } from "@sticky-proxy/protocol";
import { expect } from "chai";

import type { SubmissionOptions } from "../submit/submission-options.ts";
import { methodOverride } from "./method-override.ts";
import { outcomeOf, testContext, testHead, testState } from "./testing.ts";

const cached = testRoute({ cache: {} as CachePolicy });
const keyed = createTestWorld({ policy: { key: "required" } }).route;
const submitted = { isPlain: false } as SubmissionOptions;

describe("the step that refuses a tunnelled method", () => {
  for (const { what, route, options, method, asked, refused } of [
    {
      what: "on a process",
      route: keyed,
      options: submitted,
      method: "POST",
      asked: "DELETE",
      refused: true,
    },
    {
      what: "on a cached route",
      route: cached,
      options: null,
      method: "POST",
      asked: "PURGE",
      refused: true,
    },
    {
      what: "not its own method",
      route: keyed,
      options: submitted,
      method: "PUT",
      asked: "put",
      refused: false,
    },
    {
      what: "not on a plain route",
      route: testRoute(),
      options: null,
      method: "POST",
      asked: "PATCH",
      refused: false,
    },
    {
      what: "not on a route without a key",
      route: keyed,
      options: null,
      method: "POST",
      asked: "PATCH",
      refused: false,
    },
    {
      what: "not where a process only carries the copy",
      route: testRoute(),
      options: { isPlain: true } as SubmissionOptions,
      method: "POST",
      asked: "PATCH",
      refused: false,
    },
    {
      what: "not of a safe request",
      route: cached,
      options: null,
      method: "GET",
      asked: "DELETE",
      refused: false,
    },
  ] as {
    what: string;
    route: Route;
    options: SubmissionOptions | null;
    method: string;
    asked: string;
    refused: boolean;
  }[]) {
    it(what, async () => {
      const head = testHead({ method, headers: [["X-Http-Method-Override", asked]] });
      const outcome = await outcomeOf(methodOverride(), testContext(testState({ route, options, head })).ctx);
      if (refused) {
        expect(outcome).to.be.instanceOf(Problem);
        expect((outcome as Problem).slug).to.equal("malformed-request");
      } else expect(outcome).to.not.be.instanceOf(Problem);
    });
  }
});
