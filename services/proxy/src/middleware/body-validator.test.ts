import { parsePointer } from "@sticky-proxy/protocol/json";
import type { Problem } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { createBodyValidator, type BodyToCheck, type BodyValidator } from "./body-validator.ts";

/** Each level tries every branch below it: some 40 levels never end. */
const tree = {
  anyOf: ["all", "any", "none"].map((word) => ({
    type: "object",
    required: ["of", "is"],
    properties: { of: { $ref: "#" }, is: { const: word } },
  })),
};
const endless = JSON.stringify(Array.from({ length: 40 }).reduce((of) => ({ of, is: "none" }), 1));
const plain = { type: "object", required: ["a"] };

const toCheck = (body: string, over: Partial<BodyToCheck> = {}): BodyToCheck => ({
  schema: plain,
  body: Buffer.from(body),
  isSmall: true,
  address: null,
  holder: "address:one",
  ...over,
});
const failureOf = (validator: BodyValidator, body: BodyToCheck): Promise<Problem | null> =>
  validator.check(body).then(
    () => null,
    (problem: Problem) => problem,
  );

describe("bodies validated in a thread", function () {
  this.timeout(60_000); // threads start, on a machine that may be busy

  it("says what is wrong where, as it is said inline, also where the callback's address cannot stand", async () => {
    const validator = createBodyValidator({ limitMs: 20_000, threads: 1 });
    expect(await validator.check(toCheck('{"a":1}'))).to.deep.include({ faults: [], blocked: null });
    expect((await validator.check(toCheck("{}"))).faults).to.deep.equal([
      { pointer: "/a", message: "is missing" },
    ]);
    const address = parsePointer("/a/url")!;
    expect((await validator.check(toCheck('{"a":1}', { address }))).blocked).to.equal("/a");
    const malformed = await failureOf(validator, toCheck('{"a":1,"a":2}'));
    expect(malformed?.slug).to.equal("malformed-json");
    expect((await validator.check(toCheck("[]", { schema: null }))).faults).to.deep.equal([]);
  });

  it("gives a body up after its time, and validates the next ones in a new thread", async () => {
    const validator = createBodyValidator({ limitMs: 50, threads: 1 });
    const [late, next] = await Promise.all([
      failureOf(validator, toCheck(endless, { schema: tree })),
      validator.check(toCheck('{"a":1}')),
    ]);
    expect([late?.slug, late?.status, late?.executed]).to.deep.equal(["validation-timeout", 503, "no"]);
    expect(next.faults).to.deep.equal([]);
  });

  it("takes bodies in turns: one caller's slow ones do not keep another one's waiting behind all of them", async () => {
    const validator = createBodyValidator({ limitMs: 50, threads: 1 });
    const order: string[] = [];
    const slow = Array.from({ length: 4 }, () =>
      failureOf(validator, toCheck(endless, { schema: tree })).then(() => order.push("slow")),
    );
    await validator.check(toCheck('{"a":1}', { holder: "address:two" }));
    order.push("other");
    await Promise.all(slow);
    expect(order).to.deep.equal(["slow", "other", "slow", "slow", "slow"]);
  });

  it("bounds the bodies of one caller that wait, and leaves places for others", async () => {
    const validator = createBodyValidator({ limitMs: 20_000, threads: 1 });
    const many = Array.from({ length: 400 }, () => failureOf(validator, toCheck('{"a":1}')));
    const other = await failureOf(validator, toCheck('{"a":1}', { holder: "address:two" }));
    expect(other).to.equal(null);
    const refused = (await Promise.all(many)).filter((problem) => problem?.slug === "over-budget");
    expect(refused.length).to.be.within(100, 200);
  });

  it("thousands of unlike objects are told apart in time", async () => {
    const validator = createBodyValidator({ limitMs: 20_000, threads: 1 });
    const schema = { properties: { rows: { type: "array", uniqueItems: true } } };
    const rows = Array.from({ length: 13_000 }, (_, row) => ({ row, x: [row] }));
    const check = (body: object) => validator.check(toCheck(JSON.stringify(body), { schema }));
    expect((await check({ rows })).faults).to.deep.equal([]);
    expect((await check({ rows: [...rows, { x: [5], row: 5 }] })).faults).to.deep.equal([
      { pointer: "/rows", message: "must NOT have duplicate items" },
    ]);
  });
});
