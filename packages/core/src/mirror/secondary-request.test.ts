import { expect } from "chai";
import { requestToCopy, secondaryHeaders } from "./secondary-request.ts";

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

  it("what is kept for a copy alone has no credential, and still its order key", () => {
    const head = {
      method: "POST",
      path: "/",
      query: null,
      headers: [...headers, ["X-Session-Id", "s"] as const],
    };
    const kept = requestToCopy(
      { head, key: "k", body: new Uint8Array(1) },
      { orderKey: { header: "x-session-id" } },
      ["x-caller"],
    );
    expect(kept.head.headers.map(([name]) => name)).to.deep.equal(["Accept", "Content-Type", "X-Session-Id"]);
    expect(kept).to.include({ key: "k", lacksCredentials: true });
    expect(kept.body).to.have.length(1);
  });
});
