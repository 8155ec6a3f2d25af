import { expect } from "chai";
import { createLoginLimit } from "./login-limit.ts";

describe("failed logins", () => {
  it("five in a minute make the address wait until the first of them is a minute old, and no other address", () => {
    let now = 0;
    const limit = createLoginLimit(() => now);
    for (let i = 0; i < 5; i += 1) {
      expect(limit.waitMs("a")).to.equal(0);
      limit.failed("a");
      now += 1000;
    }
    expect(limit.waitMs("a")).to.equal(55_000);
    expect(limit.waitMs("b")).to.equal(0);
    now = 60_000;
    expect(limit.waitMs("a")).to.equal(0);
  });
});
