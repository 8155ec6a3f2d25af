import { createSecretKey } from "node:crypto";
import { fields, Problem } from "@sticky-proxy/protocol";
import { nobody } from "@sticky-proxy/core/principal";
import { expect } from "chai";
import type { Reply } from "../reply.ts";
import type { ProxyContext } from "../state.ts";
import { mirror, type MirrorDeps } from "./mirror.ts";

const policy = { mode: "shadow", to: "new", rate: 1, orderKey: null };
const service = { name: "shop" };

function answer(source: string, status = 200): Reply {
  return { status, headers: [[fields.stickySource, source]], body: Buffer.from("hello") };
}

/** What the queue is offered when the steps below answer with `reply` or throw `error`. */
async function offered({ reply, error, verdict }: { reply?: Reply; error?: Error; verdict?: string }) {
  const copies: unknown[] = [];
  const deps = {
    guard: { read: () => null, lines: () => [] },
    shadow: {
      offer: ({ primary }: { primary: unknown }) => copies.push(primary),
      skip: (...words: string[]) => copies.push(words.at(-1)),
    },
    serviceOf: () => ({ name: "new" }),
    secret: createSecretKey(Buffer.alloc(32)),
    clock: { now: () => 0, monotonic: () => 0 },
  } as unknown as MirrorDeps;
  const head = { method: "POST", path: "/", query: null, headers: [] };
  const state = {
    service,
    route: { name: "orders", mirror: policy },
    head,
    serviceHead: head,
    client: { peer: "127.0.0.1" },
    body: null,
    principal: nobody,
    options: null,
    verdict: verdict ?? null,
    trace: [],
    logFields: {},
    reply: null as Reply | null,
  };
  let thrown: unknown = null;
  await mirror(deps)({ state } as unknown as ProxyContext, () => {
    state.reply = reply ?? null;
    return error === undefined ? Promise.resolve() : Promise.reject(error);
  }).catch((problem: unknown) => (thrown = problem));
  await new Promise(setImmediate);
  expect(thrown).to.equal(error ?? null);
  if (reply !== undefined) expect(state.reply).to.equal(reply);
  return copies;
}

describe("the mirror step", () => {
  const first = answer("service");
  const copy = { status: 200, headers: first.headers, body: first.body, latencyMs: 0 };
  const lost = new Problem("upstream-timeout", { executed: "unknown" });
  for (const { what, given, copies } of [
    { what: "copies a request that the service answered", given: { reply: first }, copies: [copy] },
    {
      what: "counts a write whose condition failed as not applicable, and copies nothing",
      given: { reply: answer("service", 412) },
      copies: ["skipped:not-applicable"],
    },
    { what: "copies nothing for an answer from the store", given: { reply: answer("store") }, copies: [] },
    {
      what: "offers a process that goes on as asynchronous",
      given: { reply: answer("gateway", 202), verdict: "start" },
      copies: ["asynchronous"],
    },
    {
      what: "offers a request whose outcome is unknown",
      given: { error: lost },
      copies: ["primary-unknown"],
    },
    {
      what: "copies nothing for a request that was never sent",
      given: { error: new Problem("upstream-unreachable", { executed: "no" }) },
      copies: [],
    },
  ]) {
    it(what, async () => expect(await offered(given)).to.deep.equal(copies));
  }
});
