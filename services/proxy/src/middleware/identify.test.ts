import { createRuleBook, unkeyedPolicy } from "@sticky-proxy/core/process";
import type { HeaderList } from "@sticky-proxy/core/http";
import type { MirrorPolicy, Route } from "@sticky-proxy/core/registry";
import { createTestWorld, testRoute } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { identify } from "./identify.ts";
import { outcomeOf, testContext, testHead, testState } from "./testing.ts";

const keyed = createTestWorld({ policy: { key: "required" } }).route;
const optional = createTestWorld({ policy: { key: "optional" } }).route;
const copied = { mode: "dual-write" } as unknown as MirrorPolicy;
const required = { ...copied, outbox: "required" } as MirrorPolicy;
const force: HeaderList = [["Sticky-Force", "true"]];
const key: HeaderList = [["Idempotency-Key", "k1"]];

async function identified(route: Route | null, headers: HeaderList) {
  const step = identify({ rules: createRuleBook(() => []), endpoints: new Set(["hook"]) });
  const state = testState({ route, head: testHead({ headers }) });
  return { outcome: await outcomeOf(step, testContext(state).ctx), options: state.options };
}

describe("the step that reads a request's identity", () => {
  for (const { what, route, headers, options } of [
    {
      what: "the options of a keyed request",
      route: keyed,
      headers: key,
      options: { key: "k1", isPlain: false },
    },
    {
      what: "the webhook endpoint that the client names",
      route: keyed,
      headers: [...key, ["Sticky-Callback", "hook"]],
      options: { notify: "hook" },
    },
    { what: "no options where an optional key is absent", route: optional, headers: [], options: null },
    { what: "no options on a route without a process", route: testRoute(), headers: key, options: null },
    { what: "no options without a route", route: null, headers: key, options: null },
    {
      what: "plain options where a durable copy alone is required: the key is the service's",
      route: testRoute({ mirror: required }),
      headers: key,
      options: { key: null, isPlain: true },
    },
    {
      what: "plain options where a durable copy is required and the optional key is absent",
      route: { ...optional, mirror: required },
      headers: [],
      options: { key: null, isPlain: true },
    },
    {
      what: "no options where a durable copy is made at best: the request stays plain",
      route: testRoute({ mirror: copied }),
      headers: key,
      options: null,
    },
    {
      what: "no options where a durable copy is made at best and the optional key is absent",
      route: { ...optional, mirror: copied },
      headers: [],
      options: null,
    },
  ] satisfies { what: string; route: Route | null; headers: HeaderList; options: object | null }[]) {
    it(`gives ${what}`, async () => {
      const found = await identified(route, headers);
      expect(found.outcome).to.equal("next");
      if (options === null) expect(found.options).to.equal(null);
      else expect(found.options).to.include(options);
      if (found.options?.isPlain) expect(found.options.rules.policy).to.equal(unkeyedPolicy);
    });
  }

  for (const { what, route, headers, slug } of [
    { what: "a missing key that is required", route: keyed, headers: [], slug: "idempotency-key-missing" },
    {
      what: "a key of another form",
      route: keyed,
      headers: [["Idempotency-Key", ""]],
      slug: "idempotency-key-invalid",
    },
    {
      what: "Sticky-Force that the route does not allow",
      route: keyed,
      headers: [...key, ...force],
      slug: "forbidden",
    },
    { what: "Sticky-Force without a process", route: testRoute(), headers: force, slug: "malformed-request" },
    { what: "Sticky-Force without a route", route: null, headers: force, slug: "malformed-request" },
    {
      what: "an endpoint that is not registered",
      route: keyed,
      headers: [...key, ["Sticky-Callback", "other"]],
      slug: "malformed-request",
    },
  ] satisfies { what: string; route: Route | null; headers: HeaderList; slug: string }[]) {
    it(`refuses ${what}`, async () => {
      const { outcome, options } = await identified(route, headers);
      expect(outcome).to.include({ slug });
      expect(options).to.equal(null);
    });
  }
});
