import { expect } from "chai";
import type { HeaderList } from "../http/message.ts";
import { idText, meaningOf, resultId, storedHeaders, type AnswerMeaning } from "./answer.ts";

const pollLocation = { intervalMs: 1 } as never;
const location: HeaderList = [["Location", "/jobs/1"]];

describe("a service's complete answer", () => {
  type Policy = Parameters<typeof meaningOf>[0];
  const response: Policy = { completion: "response", pollLocation: null };
  const polls: Policy = { completion: "response", pollLocation };
  const callback: Policy = { completion: "callback", pollLocation: null };
  const both: Policy = { completion: "callback", pollLocation };
  const rows: readonly [
    policy: Policy,
    status: number,
    headers: HeaderList,
    echo: string | null,
    kind: AnswerMeaning["kind"],
  ][] = [
    [response, 200, [], null, "result"],
    [response, 202, [], null, "result"],
    [response, 202, location, null, "result"],
    [response, 202, [], "token", "accepted"],
    [response, 202, [], "another's", "result"],
    [response, 200, [], "token", "result"],
    [response, 201, [], "token", "result"],
    [polls, 202, location, null, "poll"],
    [polls, 202, location, "token", "poll"],
    [polls, 202, [], null, "result"],
    [polls, 202, [], "token", "accepted"],
    [polls, 200, location, null, "result"],
    [polls, 303, location, null, "result"],
    [callback, 199, [], null, "result"],
    [callback, 200, [], null, "accepted"],
    [callback, 204, [], null, "accepted"],
    [callback, 299, [], null, "accepted"],
    [callback, 300, [], null, "result"],
    [callback, 404, [], null, "result"],
    [callback, 500, [], null, "result"],
    [both, 202, location, null, "poll"],
    [both, 202, [], null, "accepted"],
    [both, 201, location, null, "accepted"],
  ];
  for (const [policy, status, headers, echo, kind] of rows)
    it(`of ${status}${headers.length > 0 ? " with Location" : ""}${echo === null ? "" : `, ${echo} echoed,`} is ${kind} where ${policy.completion} completes${policy.pollLocation === null ? "" : " and Location is polled"}`, () => {
      const meaning = meaningOf(policy, { status, headers }, echo, "token");
      expect(meaning).to.deep.equal(kind === "poll" ? { kind, pollUrl: "/jobs/1" } : { kind });
    });

  it("has an id of 22 characters that is the same for the same status, type and body, and for no other", () => {
    const one = (status: number, type: string | null, body: string): string =>
      resultId({
        status,
        headers: type === null ? [["X-Other", String(Math.random())]] : [["content-type", type]],
        body: Buffer.from(body),
      });
    const id = one(200, "text/plain", "a");
    expect(id).to.match(/^[A-Za-z0-9_-]{22}$/);
    expect(one(200, "text/plain", "a")).to.equal(id);
    expect(one(200, null, "a")).to.equal(one(200, null, "a"));
    const others = [
      one(201, "text/plain", "a"),
      one(200, "text/html", "a"),
      one(200, null, "a"),
      one(200, "text/plain", "b"),
      one(200, "text/plain", ""),
    ];
    expect(new Set([id, ...others]).size).to.equal(others.length + 1);
  });

  it("keeps the lines that its route names and its type, in any case; all where the route names none", () => {
    const headers: HeaderList = [
      ["X-A", "1"],
      ["CONTENT-TYPE", "text/plain"],
      ["x-b", "2"],
      ["X-a", "3"],
    ];
    expect(storedHeaders(headers, [])).to.equal(headers);
    expect(storedHeaders(headers, ["x-a"])).to.deep.equal([headers[0], headers[1], headers[3]]);
    expect(storedHeaders(headers, ["x-c"])).to.deep.equal([headers[1]]);
  });

  it("names its job by a text of at most 200 characters or a whole number with all its digits", () => {
    const digits = "9".repeat(200);
    const rowsOf: readonly [source: string | undefined, id: string | null][] = [
      ['"job"', "job"],
      [`"${"x".repeat(200)}"`, "x".repeat(200)],
      [`"${"x".repeat(201)}"`, null],
      ['""', null],
      ["17", "17"],
      ["-17", "-17"],
      [digits, digits],
      [`${digits}9`, null],
      ["17.0", "17"],
      ["1e3", "1000"],
      ["1.5", null],
      ["1e300", null],
      ["true", null],
      ["null", null],
      ["[1]", null],
      ['{"a":1}', null],
      [undefined, null],
    ];
    for (const [source, id] of rowsOf) expect(idText(source), String(source).slice(0, 20)).to.equal(id);
  });
});
