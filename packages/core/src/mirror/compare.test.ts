import { expect } from "chai";
import type { HeaderList } from "../http/message.ts";
import type { ComparePolicy } from "../registry/service.ts";
import { type Answer, type Comparison, compareAnswers } from "./compare.ts";
import { walkBounds } from "./compare-json.ts";
import { compileMasks } from "./mask-trie.ts";
import { redactor } from "./redact.ts";

const plainPolicy: ComparePolicy = {
  sampleRate: 1,
  status: "exact",
  headers: ["content-type", "location", "set-cookie"],
  exactErrors: false,
  ignore: [],
  rules: [],
  ttlMs: 1000,
  maxDifferences: 100,
};

function answer(
  status: number,
  body: string | null,
  headers: HeaderList = [["Content-Type", "application/json"]],
): Answer {
  return { status, headers, body: body === null ? null : Buffer.from(body) };
}

function compare(a: Answer, b: Answer, policy: Partial<ComparePolicy> = {}): Comparison {
  const whole = { ...plainPolicy, ...policy };
  return compareAnswers(a, b, {
    policy: whole,
    masks: compileMasks(whole),
    budget: { ...walkBounds, isOver: () => false },
    show: redactor("k"),
    redactKey: "k",
  });
}

describe("compareAnswers", () => {
  it("equal answers match, whatever the order and space of their JSON", () => {
    expect(compare(answer(200, '{"a":1,"b":2}'), answer(200, '{ "b": 2, "a": 1 }'))).to.include({
      result: "matched",
      class: null,
      masked: 0,
    });
  });

  it("a status is compared exactly, or by class, which is then masked and not matched", () => {
    expect(compare(answer(200, "{}"), answer(201, "{}"))).to.include({
      result: "different",
      class: "status",
    });
    expect(compare(answer(200, "{}"), answer(201, "{}"), { status: "class" })).to.include({
      result: "masked",
    });
    expect(compare(answer(200, "{}"), answer(404, "{}"), { status: "class" })).to.include({
      result: "different",
      class: "missing",
    });
  });

  it("only chosen headers count; Location without its origin, content type without its spelling, cookies by name", () => {
    const a: HeaderList = [
      ["Content-Type", "application/JSON; charset=utf-8"],
      ["Date", "x"],
      ["Location", "http://a/users/1"],
      ["Set-Cookie", "sid=1"],
    ];
    const b: HeaderList = [
      ["content-type", "application/json;charset=UTF-8"],
      ["Date", "y"],
      ["Location", "/users/1"],
      ["Set-Cookie", "sid=2; Secure"],
    ];
    expect(compare(answer(201, "{}", a), answer(201, "{}", b)).result).to.equal("matched");
    const c: HeaderList = [
      ["content-type", "text/html"],
      ["Location", "/users/2"],
    ];
    const found = compare(answer(201, "{}", a), answer(201, "{}", c));
    expect(found.class).to.equal("header");
    expect(found.edits.map((edit) => `${edit.kind} ${edit.path}`)).to.deep.equal([
      "changed content-type",
      "changed location",
      "missing set-cookie",
    ]);
  });

  it("a charset on JSON is none, on text it counts", () => {
    const typed = (type: string): Answer => answer(200, "{}", [["content-type", type]]);
    expect(compare(typed("application/json"), typed("application/json; charset=utf-8")).result).to.equal(
      "matched",
    );
    expect(
      compare(typed("application/hal+json"), typed('application/hal+json;charset="UTF-8"')).result,
    ).to.equal("matched");
    expect(compare(typed("application/json;v=1"), typed("application/json;v=2")).class).to.equal("header");
    expect(compare(typed("text/csv; charset=utf-8"), typed("text/csv; charset=latin1")).class).to.equal(
      "header",
    );
  });

  it("a content type that one side lacks is that difference alone, and its JSON is still compared as JSON", () => {
    const json: HeaderList = [["content-type", "application/json"]];
    const found = compare(answer(200, '{"a":1,"b":2}', []), answer(200, '{"b":2,"a":1}', json));
    expect(found.edits.map(({ kind, path, primary }) => ({ kind, path, primary }))).to.deep.equal([
      { kind: "extra", path: "content-type", primary: null },
    ]);
  });

  it("error answers agree on status and code; their wording is masked", () => {
    const error = (code: string, text: string): Answer =>
      answer(422, JSON.stringify({ error: { code, text } }));
    expect(compare(error("taken", "a"), error("taken", "b")).result).to.equal("masked");
    const other = compare(error("taken", "a"), error("weak", "a"));
    expect(other).to.include({ result: "different", class: "body" });
    expect(other.edits[0]).to.include({ path: "/error/code", primary: '"taken"', secondary: '"weak"' });
    expect(compare(error("taken", "a"), error("taken", "b"), { exactErrors: true }).result).to.equal(
      "different",
    );
  });

  it("text differs at a line, bytes by hash, forms by name", () => {
    const text: HeaderList = [["content-type", "text/plain"]];
    const line = compare(answer(200, "a\nb\npassword=one", text), answer(200, "a\nb\npassword=two", text));
    expect(line.edits[0]).to.include({ path: "line 3" });
    expect(JSON.stringify(line)).not.to.contain("one");
    const bytes = compare(answer(200, "abc", []), answer(200, "abd", []));
    expect(bytes.edits[0]!.primary).to.match(/^3 bytes, sha-256 [0-9a-f]{64}$/);
    const form: HeaderList = [["content-type", "application/x-www-form-urlencoded"]];
    expect(compare(answer(200, "a=1&b=2", form), answer(200, "b=2&a=1", form)).result).to.equal("matched");
    expect(compare(answer(200, "a=1&b=2", form), answer(200, "b=3&a=1", form)).edits[0]!.path).to.equal("/b");
  });

  it("what is not JSON under a JSON type is compared as text, repeated names included", () => {
    expect(compare(answer(200, '{"a":1,"a":2}'), answer(200, '{"a":2}')).result).to.equal("different");
    expect(compare(answer(200, "{"), answer(200, "{")).result).to.equal("matched");
  });

  it("a body that is too large, or not kept, is too-large and never equal", () => {
    expect(compare(answer(200, null), answer(200, "{}"))).to.include({
      result: "different",
      class: "too-large",
    });
    const many = `[${"1,".repeat(250_000)}1]`;
    expect(compare(answer(200, many), answer(200, `${many} `))).to.include({
      result: "different",
      class: "too-large",
    });
  });

  it("a list in another order is the class order", () => {
    expect(compare(answer(200, "[1,2,3]"), answer(200, "[3,2,1]"))).to.include({
      result: "different",
      class: "order",
    });
  });
});
