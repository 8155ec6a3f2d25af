import { expect } from "chai";
import { connectionFields, isHopByHop, proxyAuthenticationFields } from "./connection-fields.ts";

describe("fields that go no further than the next hop", () => {
  it("are those of RFC 9110 7.6.1 and 11.7, by lower-case name, and no others", () => {
    const connection =
      "connection keep-alive proxy-connection te trailer transfer-encoding upgrade http2-settings";
    const proxy = "proxy-authenticate proxy-authorization proxy-authentication-info";
    expect([...connectionFields].join(" ")).to.equal(connection);
    expect([...proxyAuthenticationFields].join(" ")).to.equal(proxy);
    for (const name of `${connection} ${proxy}`.split(" ")) expect(isHopByHop(name), name).to.equal(true);
    for (const name of "authorization www-authenticate via host x-connection tes".split(" "))
      expect(isHopByHop(name), name).to.equal(false);
  });
});
