import { Problem } from "@sticky-proxy/protocol";
import { createLogger } from "@sticky-proxy/runtime";
import { expect } from "chai";
import { PassThrough } from "node:stream";
import type { Reply } from "../reply.ts";
import type { ProxyContext } from "../state.ts";
import { problems, type ProblemDeps } from "./problems.ts";

const settings = { pseudonym: "gateway" } as ProblemDeps["settings"];

function world(accept: string | null = null) {
  const lines: (readonly [string, Readonly<Record<string, unknown>> | undefined])[] = [];
  const log = {
    error: (event: string, fields?: Readonly<Record<string, unknown>>) => lines.push([event, fields]),
  } as unknown as ProblemDeps["log"];
  const head = {
    method: "GET",
    path: "/",
    query: null,
    headers: accept === null ? [] : [["Accept", accept]],
  };
  const state = { requestId: "r1", service: null, head, logFields: {}, reply: null };
  return { lines, log, state, ctx: { state } as unknown as ProxyContext };
}

describe("the problems step", () => {
  for (const { what, error, status, slug, close, logged } of [
    {
      what: "a Problem",
      error: new Problem("service-not-found"),
      status: 404,
      slug: "service-not-found",
      close: false,
      logged: 0,
    },
    {
      what: "a Problem that closes",
      error: new Problem("draining", { close: true }),
      status: 503,
      slug: "draining",
      close: true,
      logged: 0,
    },
    {
      what: "any other error",
      error: new TypeError("secret"),
      status: 500,
      slug: "internal-error",
      close: false,
      logged: 1,
    },
  ]) {
    it(`turns ${what} into a reply`, async () => {
      const { log, lines, state, ctx } = world();
      await problems({ log, settings })(ctx, () => Promise.reject(error));
      expect(state.reply).to.include({ status, close });
      expect(String((state.reply as unknown as { body: Uint8Array }).body))
        .to.include(slug)
        .and.not.include("secret");
      expect(state.logFields).to.deep.equal({ problem: slug });
      expect(lines.map(([, fields]) => fields?.["err"])).to.deep.equal(logged === 0 ? [] : [error]);
    });
  }

  it("gives a browser a page, and logs the same", async () => {
    const { log, state, ctx } = world("text/html, */*;q=0.8");
    await problems({ log, settings })(ctx, () => Promise.reject(new Problem("service-not-found")));
    const { status, headers, body } = state.reply as unknown as Reply;
    expect(status).to.equal(404);
    expect(headers).to.deep.include(["Content-Type", "text/html; charset=utf-8"]);
    expect(Buffer.from(body as Uint8Array).toString()).to.include("<h1>404 ");
    expect(state.logFields).to.deep.equal({ problem: "service-not-found" });
  });

  it("leaves the reply of a step that succeeds alone", async () => {
    const { log, state, ctx } = world();
    await problems({ log, settings })(ctx, () => Promise.resolve());
    expect([state.reply, state.logFields]).to.deep.equal([null, {}]);
  });

  it("logs an error of another type although many errors of one type were swallowed as repeats", async () => {
    const stream = new PassThrough();
    const log = createLogger({ level: "error", stream }) as unknown as ProblemDeps["log"];
    const { ctx } = world();
    const step = problems({ log, settings });
    for (let n = 0; n < 50; n++) await step(ctx, () => Promise.reject(new RangeError("again")));
    await step(ctx, () => Promise.reject(new TypeError("another one")));
    await new Promise(setImmediate);
    const written = String(stream.read());
    expect(written.split("again").length).to.be.lessThan(50);
    expect(written).to.include("another one");
  });
});
