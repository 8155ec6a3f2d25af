import { expect } from "chai";
import { createTestWorld } from "../testing/index.ts";
import type { Route, Service } from "../registry/service.ts";
import { pinOf, readPin, type PinnedRules } from "./pinned.ts";
import { blankRecord, type ProcessRecord } from "./record.ts";
import { createRuleBook, type RulesRef } from "./rules.ts";

const world = createTestWorld();
const policy = { ...world.rules.policy, cancelHook: "http://jobs:1/cancel", resultTtlMs: 777 };
const mail = (over: Partial<Route> = {}, service: Partial<Service> = {}): Service => ({
  ...world.service,
  name: "mail",
  callbackAuth: { mode: "both", secrets: ["whsec_hush"], sharedToken: "hush-token" },
  ...service,
  routes: [
    {
      ...world.route,
      name: "POST /letters",
      match: { methods: ["POST"], path: "/letters" },
      headers: { request: new Map([["x-api-key", "hush-key"]]), response: new Map() },
      process: policy,
      retries: { attempts: 7, minMs: 1, maxMs: 2 },
      ...over,
    },
  ],
});
const keyId = (secret: string): string => `id-of-${secret.length}`;

/** The rules of a node with today's file, which has learnt what the others keep. */
function bookOf(today: readonly Service[], learnt: ReadonlyMap<string, PinnedRules> = new Map()) {
  return createRuleBook(() => today, { get: (digest) => learnt.get(digest) ?? null }, keyId);
}
const digestOf = (service: Service): string =>
  bookOf([service]).rulesFor(service, service.routes[0]!)!.digest!;
const learntFrom = (service: Service): Map<string, PinnedRules> =>
  new Map([...bookOf([service]).pins()].map(([digest, { text }]) => [digest, readPin(text)!]));
const begun = (service: Service, over: Partial<ProcessRecord> = {}): RulesRef => ({
  ...blankRecord,
  service: service.name,
  route: service.routes[0]!.name,
  operation: "POST /letters/7",
  identity: "key",
  rules: digestOf(service),
  ...over,
});

describe("the rules that a process is pinned to", () => {
  it("are described without addresses and secrets", () => {
    const service = mail();
    const { text } = pinOf(service, service.routes[0]!, keyId);
    expect(text).to.not.match(/hush|jobs:1|http:/);
    expect(readPin(text)!.callback).to.deep.equal({ mode: "both", keys: ["id-of-10"] });
  });

  it("have one digest wherever an instance, a secret's value or a header field differs, another for another rule", () => {
    const base = digestOf(mail());
    expect(digestOf(mail({ headers: { request: new Map(), response: new Map() } }))).to.equal(base);
    expect(digestOf(mail({}, { instances: [] }))).to.equal(base);
    expect(digestOf(mail({ process: { ...policy, cancelHook: null } }))).to.equal(base);
    for (const other of [
      mail({ retries: { attempts: 8, minMs: 1, maxMs: 2 } }),
      mail({ process: { ...policy, resultTtlMs: 778 } }),
      mail({ name: "letters" }),
      mail({}, { honoursKey: true }),
    ])
      expect(digestOf(other)).to.not.equal(base);
  });

  it("hold although today's file has other ones under the same name; address, header fields and hook are today's", () => {
    const old = mail();
    const today = mail({
      process: { ...policy, resultTtlMs: 1, cancelHook: "http://new:1/cancel" },
      retries: { attempts: 1, minMs: 1, maxMs: 1 },
      headers: { request: new Map([["x-api-key", "new"]]), response: new Map() },
    });
    const found = bookOf([today], learntFrom(old)).find(begun(old))!;
    expect(found.service).to.equal(today);
    expect(found.rules).to.deep.include({ retries: old.routes[0]!.retries });
    expect(found.rules.policy).to.include({ resultTtlMs: 777, cancelHook: "http://new:1/cancel" });
    expect(found.route.headers.request.get("x-api-key")).to.equal("new");
  });

  it("survive an edit that renames the route, with the header fields of the route that takes the request today", () => {
    const old = mail();
    const today = mail({ name: "POST,PUT /letters", match: { methods: ["POST", "PUT"], path: "/letters" } });
    const found = bookOf([today], learntFrom(old)).find(begun(old))!;
    expect([found.route.name, found.route.headers.request.get("x-api-key")]).to.deep.equal([
      "POST /letters",
      "hush-key",
    ]);
  });

  it("decide without an address where the service is not in today's file, and send nothing", () => {
    const old = mail();
    const book = bookOf([], learntFrom(old));
    expect([book.find(begun(old)), book.standing(begun(old))]).to.deep.equal([null, "no-service"]);
    expect(book.rulesOf(begun(old)).policy.resultTtlMs).to.equal(777);
  });

  it("are lacking where nobody told them, and a record from before pins follows its route by name", () => {
    const old = mail();
    const book = bookOf([]);
    expect([book.lacks(begun(old)), book.standing(begun(old))]).to.deep.equal([digestOf(old), "no-rules"]);
    const before = begun(old, { rules: null });
    expect([book.lacks(before), book.standing(before)]).to.deep.equal([null, "no-rules"]);
    expect(bookOf([old]).find(before)!.route).to.equal(old.routes[0]);
    expect(bookOf([old]).lacks(begun(old))).to.equal(null);
  });

  it("give way to today's for a process that is run anew", () => {
    const old = mail();
    const today = mail({ retries: { attempts: 1, minMs: 1, maxMs: 1 } });
    const rules = bookOf([today], learntFrom(old)).rulesAnew(begun(old));
    expect([rules.retries.attempts, rules.digest]).to.deep.equal([1, digestOf(today)]);
    expect(bookOf([], learntFrom(old)).rulesAnew(begun(old)).retries.attempts).to.equal(7);
  });

  it("that are damaged are none", () => {
    for (const text of ["", "{}", "null", '{"service":"a","route":"b"}'])
      expect(readPin(text)).to.equal(null);
  });
});
