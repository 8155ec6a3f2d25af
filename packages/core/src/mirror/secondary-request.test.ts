import { expect } from "chai";
import { secondaryHeaders } from "./secondary-request.ts";

describe("secondaryHeaders", () => {
  const headers = [
    ["Accept", "*/*"],
    ["Authorization", "Bearer x"],
    ["Cookie", "a=1"],
    ["X-API-Key", "k"],
    ["X-Auth-Token", "t"],
    ["X-Caller", "me"],
    ["Content-Type", "application/json"],
  ] as const;

  it("drops credentials, also those that only this service counts as such", () => {
    const kept = secondaryHeaders(headers, "drop", ["x-caller"]).map(([name]) => name);
    expect(kept).to.deep.equal(["Accept", "Content-Type"]);
    expect(secondaryHeaders(headers, "drop", ["cookie.sid"]).map(([name]) => name)).not.to.contain("Cookie");
  });

  it("keeps everything where the route forwards credentials", () => {
    expect(secondaryHeaders(headers, "forward", [])).to.deep.equal(headers);
  });
});
