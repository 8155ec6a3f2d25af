import { isDeepStrictEqual } from "node:util";
import { formatPointer } from "@sticky-proxy/protocol/json";
import { expect } from "chai";
import fc from "fast-check";
import type { ComparePolicy } from "../registry/service.ts";
import { type WalkResult, compareJson, walkBounds } from "./compare-json.ts";
import { parseJson, type JsonValue } from "./json-walk.ts";
import { compileMasks } from "./mask-trie.ts";
import { redactor } from "./redact.ts";

const show = redactor("secret");
const pointer = (text: string): string[] => text.split("/").slice(1);

function value(plain: unknown): JsonValue {
  const parsed = parseJson(Buffer.from(typeof plain === "string" ? plain : JSON.stringify(plain)));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.value;
}

interface Options {
  ignore?: string[];
  rules?: ComparePolicy["rules"];
  isOver?: () => boolean;
  maxNodes?: number;
}

/** Texts are taken as JSON texts, anything else is serialised. */
function compare(a: unknown, b: unknown, options: Options = {}): WalkResult {
  const masks = compileMasks({ ignore: (options.ignore ?? []).map(pointer), rules: options.rules ?? [] });
  const budget = {
    ...walkBounds,
    isOver: options.isOver ?? (() => false),
    maxNodes: options.maxNodes ?? walkBounds.maxNodes,
  };
  return compareJson(value(a), value(b), masks, budget, show);
}

function places(result: WalkResult): string[] {
  return result.edits.map((edit) => `${edit.kind} ${edit.path}`);
}

const equal = { kind: "walked", edits: [], masked: 0, truncated: false };

describe("compareJson", () => {
  it("finds no difference exactly when the two values are deeply equal", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.boolean(), (a, other, same) => {
        const b = same ? structuredClone(a) : other;
        const [x, y] = [JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b))] as unknown[];
        const result = compare(JSON.stringify(a), JSON.stringify(b));
        expect(result.edits.length === 0).to.equal(isDeepStrictEqual(x, y));
      }),
    );
  });

  it("finds one planted change at its own path, whatever surrounds it", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.string(), (before, after, name) => {
        const result = compare([before, { [name]: 1 }, after], [before, { [name]: 2 }, after]);
        const path = formatPointer(["1", name]);
        expect(places(result)).to.deep.equal([`changed ${path}`]);
      }),
    );
  });

  it("ignoring everything never differs, and never calls unlike values matched", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const result = compare(JSON.stringify(a), JSON.stringify(b), { ignore: ["/**"] });
        const isSame = isDeepStrictEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)));
        expect(result.edits).to.deep.equal([]);
        expect(result.kind === "walked" && result.masked > 0).to.equal(!isSame);
      }),
    );
  });

  it("compares numbers by decimal value, exact above 2^53", () => {
    expect(compare("[1.0, 100]", "[1, 1e2]")).to.deep.equal(equal);
    expect(places(compare("[9007199254740993]", "[9007199254740992]"))).to.deep.equal(["changed /0"]);
  });

  it("tells missing, extra, changed and retyped members apart, redacted", () => {
    const result = compare({ a: 1, b: 2, c: 3, password: "x" }, { a: "1", c: 4, d: 5, password: "y" });
    expect(places(result)).to.have.members([
      "type /a",
      "missing /b",
      "changed /c",
      "extra /d",
      "changed /password",
    ]);
    const password = result.edits.find((edit) => edit.path === "/password")!;
    expect(password.primary).to.match(/^\[redacted:[0-9a-f]{8}\]$/);
    expect(password.primary).not.to.equal(password.secondary);
  });

  it("sees one insertion at the head of a long list as one difference", () => {
    const items = Array.from({ length: 1000 }, (_, i) => ({ id: i, name: `n${i}` }));
    const result = compare(items, [{ id: -1, name: "new" }, ...items]);
    expect(places(result)).to.deep.equal(["extra /0"]);
  });

  it("sees a reordered list as one difference of order", () => {
    const items = Array.from({ length: 500 }, (_, i) => ({ id: i }));
    expect(places(compare({ items }, { items: items.toReversed() }))).to.deep.equal(["order /items"]);
  });

  it("walks into the one changed item between equal ones", () => {
    const items = Array.from({ length: 50 }, (_, i) => ({ id: i, name: "x" }));
    const changed = items.with(20, { id: 20, name: "y" });
    expect(places(compare(items, changed))).to.deep.equal(["changed /20/name"]);
    expect(places(compare(items, changed.toSpliced(40, 1)))).to.have.members([
      "changed /20/name",
      "missing /40",
    ]);
  });

  it("lines up items whose ids are masked", () => {
    const a = Array.from({ length: 20 }, (_, i) => ({ id: i, name: `n${i}` }));
    const b = a.map((user) => ({ ...user, id: user.id + 100 })).toSpliced(5, 1);
    const result = compare(a, b, { ignore: ["/*/id"] });
    expect(places(result)).to.deep.equal(["missing /5"]);
    expect(result.kind === "walked" && result.masked).to.equal(19);
  });
});

describe("masks", () => {
  it("count as masked only where the two sides are unlike", () => {
    expect(compare({ id: 1, x: 2 }, { x: 2, id: 1 }, { ignore: ["/id"] })).to.deep.equal(equal);
    expect(compare({ id: 1, x: 2 }, { id: 9, x: 2 }, { ignore: ["/id"] })).to.deep.include({
      edits: [],
      masked: 1,
    });
    expect(compare({ id: 1 }, {}, { ignore: ["/id"] })).to.deep.include({ edits: [], masked: 1 });
  });

  it("** reaches any depth, none included", () => {
    const a = { at: 1, x: { at: 2, y: [{ at: 3 }] } };
    const b = { at: 9, x: { at: 9, y: [{ at: 9 }] } };
    expect(compare(a, b, { ignore: ["/**/at"] })).to.deep.include({ edits: [], masked: 3 });
    expect(places(compare(a, b, { ignore: ["/x/**/at"] }))).to.deep.equal(["changed /at"]);
  });

  it("type, format and tolerances excuse what they name and nothing else", () => {
    const at = ["v"];
    const check = (rule: ComparePolicy["rules"][number], a: unknown, b: unknown): boolean =>
      compare({ v: a }, { v: b }, { rules: [rule] }).edits.length === 0;
    expect(check({ at, kind: "type" }, "a", "b")).to.equal(true);
    expect(check({ at, kind: "type" }, "a", 1)).to.equal(false);
    expect(check({ at, kind: "type" }, [1], [2, 3])).to.equal(true);
    const uuid = (c: string): string => `${c.repeat(8)}-aaaa-4aaa-8aaa-aaaaaaaaaaaa`;
    expect(check({ at, kind: "format", format: "uuid" }, uuid("a"), uuid("b"))).to.equal(true);
    expect(check({ at, kind: "format", format: "uuid" }, uuid("a"), "b")).to.equal(false);
    const argon = (salt: string): string => `$argon2id$v=19$m=4096,t=3,p=1$${salt}$aGFzaGhhc2g`;
    expect(check({ at, kind: "format", format: "hash" }, argon("c2FsdA"), argon("cGVwcGVy"))).to.equal(true);
    expect(check({ at, kind: "format", format: "hash" }, argon("c2FsdA"), "plain text")).to.equal(false);
    expect(check({ at, kind: "tolerance", amount: 0.5 }, 1, 1.5)).to.equal(true);
    expect(check({ at, kind: "tolerance", amount: 0.5 }, 1, 1.6)).to.equal(false);
    const time = (s: number): string => new Date(s * 1000).toISOString();
    expect(check({ at, kind: "timeTolerance", ms: 2000 }, time(1), time(3))).to.equal(true);
    expect(check({ at, kind: "timeTolerance", ms: 2000 }, time(1), time(4))).to.equal(false);
  });

  it("set and keyed excuse another order, which is masked and no match; keyed pairs by key", () => {
    const rules = (kind: "set" | "keyed"): ComparePolicy["rules"] =>
      kind === "set" ? [{ at: ["tags"], kind }] : [{ at: ["users"], kind, by: ["id"] }];
    expect(
      compare({ tags: ["a", "b", "c"] }, { tags: ["c", "a", "b"] }, { rules: rules("set") }),
    ).to.deep.equal({ ...equal, masked: 1 });
    for (const kind of ["set", "keyed"] as const) {
      const alike = { tags: ["a", "b", "b"], users: [{ id: 1 }, { id: 2 }] };
      expect(compare(alike, structuredClone(alike), { rules: rules(kind) })).to.deep.equal(equal);
    }
    expect(
      compare(
        { users: [{ id: 1 }, { id: 2 }] },
        { users: [{ id: 2 }, { id: 1 }] },
        { rules: rules("keyed") },
      ),
    ).to.deep.equal({ ...equal, masked: 1 });
    expect(
      places(compare({ tags: ["a", "b"] }, { tags: ["b", "d"] }, { rules: rules("set") })),
    ).to.deep.equal(["missing /tags/0", "extra /tags/1"]);
    const a = {
      users: [
        { id: 1, n: "a" },
        { id: 2, n: "b" },
        { id: 3, n: "c" },
      ],
    };
    const b = {
      users: [
        { id: 3, n: "c" },
        { id: 1, n: "A" },
        { id: 4, n: "d" },
      ],
    };
    expect(places(compare(a, b, { rules: rules("keyed") }))).to.have.members([
      "changed /users/0/n",
      "missing /users/1",
      "extra /users/2",
    ]);
  });

  it("keyed falls back to position where a key is missing or stands twice", () => {
    const rules: ComparePolicy["rules"] = [{ at: [], kind: "keyed", by: ["id"] }];
    expect(
      places(
        compare(
          [
            { id: 1, n: 1 },
            { id: 1, n: 2 },
          ],
          [
            { id: 1, n: 1 },
            { id: 1, n: 3 },
          ],
          { rules },
        ),
      ),
    ).to.deep.equal(["changed /1/n"]);
  });
});

describe("bounds of the walk", () => {
  it("a node bound that is hit is too-large, never equal", () => {
    const items = Array.from({ length: 1000 }, (_, i) => [i]);
    expect(compare(items, items, { maxNodes: 500 }).kind).to.equal("too-large");
  });

  it("a time bound that is hit is too-large", () => {
    const items = Array.from({ length: 5000 }, (_, i) => i);
    expect(compare(items, items, { isOver: () => true }).kind).to.equal("too-large");
  });

  it("keeps 200 differences and says that there are more", () => {
    const a = Array.from({ length: 1500 }, (_, i) => ({ a: i }));
    const b = Array.from({ length: 1500 }, (_, i) => ({ b: -i - 1 }));
    const result = compare(a, b);
    expect(result.edits.length).to.equal(200);
    expect(result.kind === "walked" && result.truncated).to.equal(true);
  });

  it("survives a document of the greatest depth", () => {
    const deep = (leaf: string): string => '{"a":'.repeat(499) + leaf + "}".repeat(499);
    expect(compare(deep("1"), deep("1"), { ignore: ["/**/b"] })).to.deep.equal(equal);
    const changed = compare(deep("1"), deep("2"));
    expect(changed.edits.length).to.equal(1);
    expect(changed.edits[0]!.path.length).to.be.at.most(513);
  });

  it("spends steps on lists that cost square time, so that many of them end as too-large", () => {
    const list = (from: number): number[] => Array.from({ length: 200 }, (_, i) => from + i * 7);
    const a = Array.from({ length: 900 }, (_, i) => list(i));
    const b = Array.from({ length: 900 }, (_, i) => [...list(i).toReversed(), i]);
    const result = compareJson(
      value(a),
      value(b),
      [],
      { maxNodes: 200_000, maxEdits: 1_000_000, isOver: () => false },
      show,
    );
    expect(result.kind).to.equal("too-large");
  });
});
