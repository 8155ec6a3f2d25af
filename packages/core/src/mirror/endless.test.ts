import { expect } from "chai";
import { isEndless } from "./endless.ts";

describe("an endless answer", () => {
  for (const [type, endless] of [
    ["text/event-stream", true],
    ["Text/Event-Stream; charset=utf-8", true],
    [" text/event-stream ;a=b", true],
    ["text/event-streams", false],
    ["text/html", false],
    ["application/x; of=text/event-stream", false],
  ] as const) {
    it(`${type}: ${endless}`, () => {
      expect(isEndless([["Content-Type", type]])).to.equal(endless);
    });
  }

  it("is told by its media type alone", () => {
    expect(isEndless([])).to.equal(false);
  });
});
