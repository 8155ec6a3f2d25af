import { expect } from "chai";
import fc from "fast-check";
import { asksForRetry, decideRetry } from "./retry.ts";

const day = 86_400_000;
const cut = { kind: "no-answer", error: "connection_refused", timedOut: false } as const;

describe("decideRetry", () => {
  it("backs off exponentially with jitter, for at most a minute", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, random) => {
          const decided = decideRetry(cut, attempt, 0, { maxAgeMs: day }, random);
          expect(decided.kind).to.equal("retry");
          if (decided.kind === "retry") expect(decided.inMs).to.be.within(100, 60_000);
        },
      ),
    );
    const waits = [1, 2, 3, 4].map((attempt) => decideRetry(cut, attempt, 0, { maxAgeMs: day }, 0));
    expect(waits).to.deep.equal([100, 200, 400, 800].map((inMs) => ({ kind: "retry", inMs })));
  });

  it("honours Retry-After", () => {
    const later = { kind: "try-later", status: 429, retryAfterMs: 5000 } as const;
    expect(decideRetry(later, 1, 0, { maxAgeMs: day }, 0.5)).to.deep.equal({ kind: "retry", inMs: 5000 });
  });

  it("is dead when the next try would be past the greatest age", () => {
    expect(decideRetry(cut, 9, day, { maxAgeMs: day }, 0)).to.deep.equal({ kind: "dead" });
  });
});

describe("asksForRetry", () => {
  it("takes 5xx, 408, 425, 429 and a 409 with Retry-After; everything else is an answer", () => {
    for (const status of [500, 503, 408, 425, 429]) expect(asksForRetry(status, null)).to.equal(true);
    for (const status of [200, 302, 400, 404, 409, 422]) expect(asksForRetry(status, null)).to.equal(false);
    expect(asksForRetry(409, 1000)).to.equal(true);
  });
});
