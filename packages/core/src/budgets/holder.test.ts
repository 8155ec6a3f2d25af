import { expect } from "chai";
import { holderOfAddress } from "./holder.ts";

describe("the holder of an address's budget", () => {
  it("an IPv4 address is one, however the socket shows it", () => {
    expect(holderOfAddress("198.51.100.9")).to.equal("address:198.51.100.9");
    expect(holderOfAddress("::ffff:198.51.100.9")).to.equal("address:198.51.100.9");
    expect(holderOfAddress("198.51.100.10")).to.equal("address:198.51.100.10");
  });

  it("all addresses of an IPv6 /64 are one, the next /64 is another", () => {
    expect(holderOfAddress("2001:db8:1:2::9")).to.equal("address:2001:db8:1:2::/64");
    expect(holderOfAddress("2001:db8:1:2:ffff::1")).to.equal("address:2001:db8:1:2::/64");
    expect(holderOfAddress("2001:db8:1:3::9")).to.equal("address:2001:db8:1:3::/64");
    expect(holderOfAddress("fe80::1%eth0")).to.equal("address:fe80::/64");
  });

  it("what is no address shares one budget", () => {
    expect(holderOfAddress("unix")).to.equal("address:unknown");
    expect(holderOfAddress("")).to.equal("address:unknown");
  });
});
