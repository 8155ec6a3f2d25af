import { expect } from "chai";
import { blankRecord } from "@sticky-proxy/core/process";
import { asFence, asScope } from "@sticky-proxy/protocol";
import { createRefusedNotes, maxNotesPerWindow, windowMs } from "./refused-notes.ts";

const processOf = (scope: string) => ({ ...blankRecord, scope: asScope(scope), epoch: asFence(7) });
const forged = { event: "callback-unauthorized" };

describe("refused reports in the timeline", () => {
  it("a process gets one entry of a kind in a minute, and the next one says how many came in between", () => {
    let now = 0;
    const notes = createRefusedNotes(() => now);
    expect(notes.next(processOf("a"), forged)).to.deep.equal(forged);
    for (let i = 0; i < 600; i += 1) expect(notes.next(processOf("a"), forged)).to.equal(null);
    expect(notes.next(processOf("a"), { event: "late-report" }), "of another kind").to.not.equal(null);
    now = windowMs;
    expect(notes.next(processOf("a"), forged)).to.deep.equal({ ...forged, before: "600" });
    now = 2 * windowMs;
    expect(notes.next(processOf("a"), forged)).to.deep.equal(forged);
  });

  it("all processes of a node together get a bounded number of entries in a minute", () => {
    let now = 0;
    const notes = createRefusedNotes(() => now);
    const written = () =>
      Array.from({ length: 1000 }, (_, i) => notes.next(processOf(`p${i}`), forged)).filter(
        (entry) => entry !== null,
      );
    expect(written()).to.have.length(maxNotesPerWindow);
    expect(written()).to.have.length(0);
    now = windowMs;
    expect(written()).to.have.length(maxNotesPerWindow);
  });
});
