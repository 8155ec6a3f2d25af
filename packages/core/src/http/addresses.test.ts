import { expect } from "chai";
import { addressFault, addressOfHost, addressSet, isLoopbackHost, isMachineAddress } from "./addresses.ts";

describe("special addresses", () => {
  const special: [address: string, isPrivate: boolean][] = [
    ["127.0.0.1", true],
    ["127.255.255.254", true],
    ["10.0.0.1", true],
    ["172.16.0.1", true],
    ["172.31.255.255", true],
    ["192.168.1.1", true],
    ["100.64.0.1", true],
    ["fd12:3456::1", true],
    ["::1", true],
    ["::ffff:10.0.0.1", true],
    ["64:ff9b::10.0.0.1", true],
    ["2002:0a00:0001::", true],
    ["0.0.0.0", false],
    ["169.254.169.254", false],
    ["100.100.100.200", false],
    ["fd00:ec2::254", false],
    ["fd00:ec2::23", false],
    ["168.63.129.16", false],
    ["::ffff:168.63.129.16", false],
    ["192.0.0.192", false],
    ["fd20:ce::254", false],
    ["fd00:42::42", false],
    ["fd00:c1::a9fe:a9fe", false],
    ["192.0.2.1", false],
    ["198.51.100.1", false],
    ["203.0.113.9", false],
    ["198.18.0.1", false],
    ["224.0.0.1", false],
    ["240.0.0.1", false],
    ["255.255.255.255", false],
    ["fe80::1", false],
    ["ff02::1", false],
    ["2001::1", false],
    ["2001:db8::1", false],
    ["fe80::1%eth0", false],
  ];
  for (const [address, isPrivate] of special)
    it(`${address} is refused, and ${isPrivate ? "open" : "refused all the same"} where private ones are allowed`, () => {
      expect(addressFault(address, false)).to.be.a("string");
      if (isPrivate) expect(addressFault(address, true)).to.equal(null);
      else expect(addressFault(address, true)).to.be.a("string");
    });
  for (const address of ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "11.0.0.1", "100.128.0.1"])
    it(`${address} is not special`, () => {
      expect(addressFault(address, false)).to.equal(null);
    });
});

describe("the host of a URL", () => {
  for (const [host, isLoopback] of [
    ["localhost", true],
    ["localhost.", true],
    ["a.localhost", true],
    ["127.0.0.1", true],
    ["127.9.9.9", true],
    ["[::1]", true],
    ["[::ffff:7f00:1]", true],
    ["localhost.example", false],
    ["example.localhost.com", false],
    ["128.0.0.1", false],
    ["[::2]", false],
  ] as const)
    it(`${host} is ${isLoopback ? "" : "not "}this machine`, () => {
      expect(isLoopbackHost(host)).to.equal(isLoopback);
    });

  it("is an address in brackets or without, or a name", () => {
    expect(addressOfHost("[2001:db8::1]")).to.equal("2001:db8::1");
    expect(addressOfHost("10.0.0.1")).to.equal("10.0.0.1");
    expect(addressOfHost("example.com")).to.equal(null);
  });
});

describe("a set of address blocks", () => {
  const holds = addressSet(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"]);
  for (const [address, isIn] of [
    ["10.1.2.3", true],
    ["::ffff:10.1.2.3", true],
    ["11.0.0.0", false],
    ["192.0.2.7", true],
    ["192.0.2.8", false],
    ["2001:db8:1::1", true],
    ["2001:db9::1", false],
    ["::1", true],
    ["unknown", false],
    ["", false],
  ] as const)
    it(`${JSON.stringify(address)} is ${isIn ? "in" : "outside"}`, () => {
      expect(holds(address)).to.equal(isIn);
    });

  it("holds nothing when it is empty", () => {
    expect(addressSet([])("127.0.0.1")).to.equal(false);
  });
});

describe("addresses where a machine learns about itself", () => {
  for (const [address, isOne] of [
    ["169.254.169.254", true],
    ["::ffff:169.254.1.1", true],
    ["64:ff9b::a9fe:a9fe", true],
    ["2002:a9fe:a9fe::", true],
    ["fe80::1", true],
    ["fd00:ec2::254", true],
    ["100.100.100.200", true],
    ["10.0.0.1", false],
    ["127.0.0.1", false],
    ["203.0.113.9", false],
    ["not an address", false],
  ] as const)
    it(`${address} is ${isOne ? "one" : "none"}`, () => {
      expect(isMachineAddress(address)).to.equal(isOne);
    });
});
