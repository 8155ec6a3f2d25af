import { expect } from "chai";

import { clientAddress } from "./client-address.ts";

const ours = (address: string): boolean => address.startsWith("10.") || address === "127.0.0.1";

function addressOf(peer: string, ...forwarded: string[]): string {
  const result = clientAddress(
    peer,
    forwarded.map((value) => ["X-Forwarded-For", value] as const),
    ours,
  );
  return result.ok ? result.address : result.reason;
}

describe("the client's address", () => {
  it("an untrusted peer is the client, whatever it says", () => {
    expect(addressOf("6.6.6.6", "1.1.1.1")).to.equal("6.6.6.6");
    expect(addressOf("::ffff:6.6.6.6")).to.equal("6.6.6.6");
  });

  it("behind our proxies it is the right-most hop that is not ours", () => {
    expect(addressOf("10.0.0.1", "1.1.1.1, 2.2.2.2")).to.equal("2.2.2.2");
    expect(addressOf("10.0.0.1", "1.1.1.1", "2.2.2.2, 10.0.0.2")).to.equal("2.2.2.2");
    expect(addressOf("::ffff:127.0.0.1", "2001:db8::1")).to.equal("2001:db8::1");
    expect(addressOf("10.0.0.1", "10.0.0.3, 10.0.0.2")).to.equal("10.0.0.3");
    expect(addressOf("10.0.0.1")).to.equal("10.0.0.1");
  });

  it("an entry that is no address ends the walk", () => {
    expect(addressOf("10.0.0.1", "1.1.1.1, unknown, 10.0.0.2")).to.equal("10.0.0.2");
    for (const odd of [
      "<script>",
      "999.1.1.1",
      "127.1",
      "0x7f.0.0.1",
      "1.1.1.1:80",
      "fe80::1%eth0",
      '"1.1.1.1',
    ])
      expect(addressOf("10.0.0.1", odd), odd).to.equal("10.0.0.1");
  });

  it("an empty member of the list is none (RFC 9110 5.6.1)", () => {
    expect(addressOf("10.0.0.1", "1.1.1.1, , 10.0.0.2,")).to.equal("1.1.1.1");
  });

  it("more than 20 hops are refused", () => {
    expect(
      clientAddress("10.0.0.1", [["X-Forwarded-For", "10.0.0.2,".repeat(20) + "1.1.1.1"]], ours).ok,
    ).to.equal(false);
  });
});
