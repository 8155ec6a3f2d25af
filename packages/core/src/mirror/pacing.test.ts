import { expect } from "chai";
import fc from "fast-check";
import { createPacer, pacingBounds } from "./pacing.ts";

describe("the pacer", () => {
  it("raises the limit of a secondary that answers, up to its bound", () => {
    const pacer = createPacer();
    for (let i = 0; i < 5000; i++) {
      expect(pacer.tryEnter(i)).to.equal(true);
      pacer.leave(true, i);
    }
    expect(pacer.limit).to.equal(pacingBounds.max);
  });

  it("pauses after failures in a row, then lets one trial through", () => {
    const pacer = createPacer();
    for (let i = 0; i < pacingBounds.failures; i++) {
      pacer.tryEnter(0);
      pacer.leave(false, 0);
    }
    expect(pacer.tryEnter(0)).to.equal(false);
    expect(pacer.pausedMs(0)).to.equal(pacingBounds.minPauseMs);
    const later = pacingBounds.minPauseMs;
    expect(pacer.tryEnter(later)).to.equal(true);
    expect(pacer.tryEnter(later)).to.equal(false);
    pacer.leave(false, later);
    expect(pacer.pausedMs(later)).to.equal(2 * pacingBounds.minPauseMs);
    const end = later + 2 * pacingBounds.minPauseMs;
    expect(pacer.tryEnter(end)).to.equal(true);
    pacer.leave(true, end);
    expect(pacer.tryEnter(end)).to.equal(true);
  });

  it("never has more in flight than its bound, and always lets some through in the end", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("enter", "ok", "fail", "wait"), { maxLength: 300 }), (steps) => {
        const pacer = createPacer();
        let now = 0;
        let inFlight = 0;
        for (const step of steps) {
          if (step === "enter" && pacer.tryEnter(now)) inFlight++;
          else if (step === "wait") now += 1000;
          else if (step !== "enter" && inFlight > 0) {
            inFlight--;
            pacer.leave(step === "ok", now);
          }
          expect(pacer.inFlight).to.equal(inFlight).and.be.at.most(pacingBounds.max);
        }
        while (inFlight > 0) {
          inFlight--;
          pacer.leave(true, now);
        }
        expect(pacer.tryEnter(now + pacingBounds.maxPauseMs)).to.equal(true);
      }),
    );
  });
});
