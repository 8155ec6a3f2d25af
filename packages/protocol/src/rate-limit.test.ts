import { expect } from "chai";
import { rateLimitFields } from "./rate-limit.ts";

describe("RateLimit and RateLimit-Policy", () => {
  it("a quota of a window: what is left, and when it is whole again", () => {
    expect(rateLimitFields({ name: "requests", quota: 50, windowS: 10, left: 12, resetS: 4 })).to.deep.equal({
      "RateLimit-Policy": '"requests";q=50;w=10',
      RateLimit: '"requests";r=12;t=4',
    });
  });

  it("a share of what is held at once has a unit and no window", () => {
    expect(
      rateLimitFields({
        name: "bodies",
        quota: 900,
        unit: "content-bytes",
        windowS: null,
        left: 0,
        resetS: null,
      }),
    ).to.deep.equal({ "RateLimit-Policy": '"bodies";q=900;qu="content-bytes"', RateLimit: '"bodies";r=0' });
  });
});
