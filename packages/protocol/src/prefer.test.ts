import { expect } from "chai";
import fc from "fast-check";
import { formatPreferenceApplied, readPrefer } from "./prefer.ts";

describe("readPrefer", () => {
  it("asks for nothing when absent", () => {
    expect(readPrefer([])).to.deep.equal({ respondAsync: false, waitMs: null });
  });

  it("reads respond-async and wait from one line or several, in any case", () => {
    const both = { respondAsync: true, waitMs: 10_000 };
    expect(readPrefer(["respond-async, wait=10"])).to.deep.equal(both);
    expect(readPrefer(["Respond-Async", "WAIT = 10"])).to.deep.equal(both);
    expect(readPrefer(['wait="10";x=1 , foo; bar="a,wait=99", respond-async'])).to.deep.equal(both);
    expect(readPrefer(['respond-async="", wait=10'])).to.deep.equal(both);
  });

  it("reads nothing inside the quotes of another preference, and a quoted value by its escapes", () => {
    const ten = { respondAsync: false, waitMs: 10_000 };
    for (const line of [
      'foo="a, wait=99, respond-async", wait=10',
      'foo="a; b, wait=99"; bar="c, wait=98", wait=10',
      'foo=1; bar="x\\", wait=99", wait=10',
      'wait="1\\0"',
      'wait=10; foo="a;b"',
    ])
      expect(readPrefer([line]), line).to.deep.equal(ten);
    const line = 'respond-async; x="a;b", wait="10;1", wait=9';
    expect(readPrefer([line]), "the first wait is no number").to.deep.equal({
      respondAsync: true,
      waitMs: null,
    });
  });

  it("takes the first of two waits (RFC 7240 section 2)", () => {
    expect(readPrefer(["wait=1, wait=2"]).waitMs).to.equal(1000);
    expect(readPrefer(["wait=soon", "wait=2"]).waitMs).to.equal(null);
    expect(readPrefer(["wait=0"]).waitMs).to.equal(0);
  });

  it("does not apply what is malformed", () => {
    for (const line of [
      "wait",
      "wait=",
      "wait=-1",
      "wait=1.5",
      "wait==1",
      "wait=1 2",
      "@=1",
      "",
      ",,;=",
      'wait="1',
    ]) {
      expect(readPrefer([line]), line).to.deep.equal({ respondAsync: false, waitMs: null });
    }
    expect(readPrefer(["respond-async=no"]).respondAsync).to.equal(false);
    expect(readPrefer(["@broken, wait=3"]).waitMs).to.equal(3000);
  });

  it("bounds a wait of any length", () => {
    expect(readPrefer([`wait=${"9".repeat(400)}`]).waitMs).to.equal(1_000_000_000_000);
  });

  it("never throws, whatever the line", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom(...Array.from('wait=,;"\\ 1respond-async\t')) })),
        (lines) => {
          const { waitMs } = readPrefer(lines);
          expect(waitMs === null || waitMs >= 0).to.equal(true);
        },
      ),
    );
  });
});

describe("formatPreferenceApplied", () => {
  it("says what was applied, in a form that reads back", () => {
    expect(formatPreferenceApplied({ respondAsync: false, waitMs: null })).to.equal(null);
    expect(formatPreferenceApplied({ respondAsync: true, waitMs: null })).to.equal("respond-async");
    expect(formatPreferenceApplied({ respondAsync: true, waitMs: 2500 })).to.equal("respond-async, wait=2");
  });
});
