import { expect } from "chai";
import fc from "fast-check";
import type { StoredResponse } from "../http/message.ts";
import { readPolled, usualPollWords, type PollContext } from "./polled.ts";

const plain: PollContext = { accept: null, jobId: null, isProbe: false, words: usualPollWords };
const accept: NonNullable<PollContext["accept"]> = {
  status: ["state"],
  completed: ["done"],
  failed: ["broken"],
  result: ["data"],
  error: ["why"],
  jobId: { response: ["id"], callback: ["job"] },
};

function answer(status: number, content?: unknown, headers: [string, string][] = []): StoredResponse {
  const body = content === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(content));
  return { status, headers: [["Content-Type", "application/json"], ...headers], body };
}

function content(polled: ReturnType<typeof readPolled>): unknown {
  if (polled.kind !== "result") throw new Error(polled.kind);
  return [polled.response.status, JSON.parse(Buffer.from(polled.response.body).toString())];
}

describe("an answer at a poll address", () => {
  it("is a result, a sign of work, a way to it, or no answer, by its status", () => {
    const kindOf = (status: number): string => readPolled(answer(status, [1]), plain).kind;
    const results = [200, 201, 203, 204, 299, 400, 402, 405, 409, 411, 424, 426, 428, 430, 499];
    for (const status of results) expect(kindOf(status), String(status)).to.equal("result");
    const silent = [100, 199, 300, 301, 302, 303, 304, 307, 399, 401, 403, 404, 408, 425, 429, 500, 503, 599];
    for (const status of silent) expect(kindOf(status), String(status)).to.equal("no-answer");
    expect([kindOf(202), kindOf(410)]).to.deep.equal(["running", "unknown-work"]);
    const probe = { ...plain, isProbe: true };
    expect([404, 410, 400].map((status) => readPolled(answer(status, [1]), probe).kind)).to.deep.equal([
      "unknown-work",
      "unknown-work",
      "result",
    ]);
  });

  it("has a percentage from 0 to 100 where it is a number", () => {
    const percentOf = (percentComplete: unknown) => readPolled(answer(202, { percentComplete }), plain);
    for (const percent of [0, 1, 99.5, 100])
      expect(percentOf(percent)).to.deep.equal({ kind: "running", percent });
    for (const other of [-0.1, 100.1, "50", null, true])
      expect(percentOf(other)).to.deep.equal({ kind: "running", percent: null });
  });

  it("is running with 202, with its percentage when it gives one", () => {
    expect(readPolled(answer(202), plain)).to.deep.equal({ kind: "running", percent: null });
    expect(readPolled(answer(202, { percentComplete: 40 }), plain)).to.deep.equal({
      kind: "running",
      percent: 40,
    });
  });

  it("is running with AIP-151 done false, and done true ends it by response or error", () => {
    const running = readPolled(answer(200, { done: false, metadata: { progressPercent: 7 } }), plain);
    expect(running).to.deep.equal({ kind: "running", percent: 7 });
    expect(content(readPolled(answer(200, { done: true, response: { a: 1 } }), plain))).to.deep.equal([
      200,
      { a: 1 },
    ]);
    const error = { code: 3, message: "no" };
    expect(content(readPolled(answer(200, { done: true, error }), plain))).to.deep.equal([502, error]);
  });

  it("is running with Azure's intermediate status words, in upper or lower case", () => {
    for (const status of ["NotStarted", "Running", "InProgress", "inprogress"]) {
      expect(readPolled(answer(200, { status, percentComplete: 12.5 }), plain)).to.deep.equal({
        kind: "running",
        percent: 12.5,
      });
    }
  });

  it("ends by Azure's final status words", () => {
    const error = { code: "Conflict" };
    expect(content(readPolled(answer(200, { status: "Failed", error }), plain))).to.deep.equal([502, error]);
    expect(content(readPolled(answer(200, { status: "Canceled" }), plain))).to.deep.equal([
      502,
      { status: "Canceled" },
    ]);
    expect(content(readPolled(answer(200, { status: "Succeeded", properties: [1] }), plain))).to.deep.equal([
      200,
      [1],
    ]);
    const whole = answer(200, { status: "Succeeded" }, [["X-A", "1"]]);
    expect(readPolled(whole, plain)).to.deep.equal({ kind: "result", response: whole });
  });

  it("leaves status words alone that may be a result's own", () => {
    for (const body of [{ status: "pending" }, { status: "paid" }, { done: "no" }, { status: 5 }]) {
      const response = answer(200, body);
      expect(readPolled(response, plain)).to.deep.equal({ kind: "result", response });
    }
  });

  it("follows the route's own pointers before any other word", () => {
    const context: PollContext = { ...plain, accept, jobId: "j1" };
    expect(readPolled(answer(200, { state: "busy", done: true }), context)).to.deep.equal({
      kind: "running",
      percent: null,
    });
    expect(content(readPolled(answer(200, { state: "done", data: [1] }), context))).to.deep.equal([200, [1]]);
    expect(content(readPolled(answer(200, { state: "broken", why: "x" }), context))).to.deep.equal([
      502,
      "x",
    ]);
    expect(readPolled(answer(200, { state: "done", job: "j2" }), context)).to.deep.equal({
      kind: "no-answer",
    });
    expect(readPolled(answer(200, { status: "Running" }), context)).to.deep.include({ kind: "running" });
  });

  it("moves the poll address for 302 and 303, and reports no state for other redirects", () => {
    for (const status of [302, 303]) {
      expect(readPolled(answer(status, undefined, [["Location", "/r/1"]]), plain)).to.deep.equal({
        kind: "elsewhere",
        location: "/r/1",
      });
    }
    for (const status of [301, 307, 308]) {
      expect(readPolled(answer(status, undefined, [["Location", "/r"]]), plain)).to.deep.equal({
        kind: "no-answer",
      });
    }
    expect(readPolled(answer(303), plain)).to.deep.equal({ kind: "no-answer" });
  });

  it("reports no state when the service fails or refuses the poll", () => {
    for (const status of [401, 403, 404, 408, 425, 429, 500, 502, 503, 504]) {
      expect(readPolled(answer(status), plain)).to.deep.equal({ kind: "no-answer" });
    }
  });

  it("does not know the work with 410, and with 404 when the service was only probed", () => {
    expect(readPolled(answer(410), plain)).to.deep.equal({ kind: "unknown-work" });
    expect(readPolled(answer(404), { ...plain, isProbe: true })).to.deep.equal({ kind: "unknown-work" });
  });

  it("takes the service's own refusal of the work for its result", () => {
    const response = answer(422, { title: "no account" });
    expect(readPolled(response, plain)).to.deep.equal({ kind: "result", response });
  });

  it("reads no status words in content that is not unambiguous JSON", () => {
    const twice: StoredResponse = { ...answer(200), body: Buffer.from('{"done":false,"done":true}') };
    expect(readPolled(twice, plain).kind).to.equal("result");
    const text: StoredResponse = {
      ...answer(200, { done: false }),
      headers: [["Content-Type", "text/plain"]],
    };
    expect(readPolled(text, plain).kind).to.equal("result");
  });

  it("never takes for a result what it cannot read: a coding that is left, JSON that is none", () => {
    const coded = answer(200, { done: false }, [["Content-Encoding", "gzip"]]);
    expect(readPolled(coded, plain).kind).to.equal("no-answer");
    const broken: StoredResponse = { ...answer(200), body: Buffer.from('{"status":"Runn') };
    expect(readPolled(broken, plain).kind).to.equal("no-answer");
    expect(readPolled(answer(200), plain).kind, "an empty answer says nothing of a state").to.equal("result");
  });

  it("keeps a result as the service wrote it: no number passes through a double", () => {
    const written = '{"id":9007199254740993,"amount":1.10,"exp":1e2}';
    for (const whole of [
      `{"status":"Succeeded","result":${written}}`,
      `{"done":true,"response": ${written} }`,
    ]) {
      const polled = readPolled({ ...answer(200), body: Buffer.from(whole) }, plain);
      expect(polled.kind === "result" && Buffer.from(polled.response.body).toString()).to.equal(written);
    }
  });

  it("reads any JSON under any status without throwing", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 599 }),
        fc.jsonValue(),
        fc.boolean(),
        (status, value, isProbe) => {
          const polled = readPolled(answer(status, value), {
            accept,
            jobId: "j1",
            words: usualPollWords,
            isProbe,
          });
          if (polled.kind === "running" && polled.percent !== null) {
            expect(polled.percent).to.be.within(0, 100);
          }
          if (status >= 500) expect(polled.kind).to.equal("no-answer");
        },
      ),
    );
  });
});
