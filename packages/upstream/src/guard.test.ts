import type { LookupAddress } from "node:dns";

import { expect } from "chai";

import { createAddressGuard } from "./guard.ts";
import { addressFault } from "@sticky-proxy/core/http";

const inside = [
  "http://127.0.0.1/",
  "http://127.1/",
  "http://2130706433/",
  "http://0x7f.0.0.1/",
  "http://0177.0.0.1/",
  "http://0/",
  "http://10.0.0.1/",
  "http://172.16.0.1/",
  "http://192.168.1.1/",
  "http://169.254.169.254/",
  "http://100.64.0.1/",
  "http://224.0.0.1/",
  "http://255.255.255.255/",
  "http://198.18.0.1/",
  "http://192.0.2.1/",
  "http://[::1]/",
  "http://[::]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:a9fe:a9fe]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[2002:7f00:1::]/",
  "http://[fe80::1]/",
  "http://[fc00::1]/",
  "http://[fd00:ec2::254]/",
  "http://[2001:db8::1]/",
];

describe("the address guard", () => {
  const guard = createAddressGuard({ allowPrivate: false });

  for (const url of inside) {
    it(`refuses ${url} before connecting`, () => {
      expect(guard.refuses(new URL(url))).to.be.a("string");
    });
  }

  for (const url of ["http://8.8.8.8:6379/", "http://example.com:25/", "https://example.com:2375/"]) {
    it(`refuses ${url} because of its port, unless the operator has written it`, () => {
      expect(guard.refuses(new URL(url))).to.be.a("string");
      expect(createAddressGuard({ allowPrivate: true }).refuses(new URL(url))).to.equal(null);
    });
  }

  for (const url of [
    "ftp://example.com/",
    "file:///etc/passwd",
    "http://user@example.com/",
    "http://:secret@8.8.8.8/",
  ]) {
    it(`refuses ${url} because of its form`, () => {
      expect(guard.refuses(new URL(url))).to.be.a("string");
    });
  }

  for (const url of [
    "http://8.8.8.8/",
    "https://[2606:4700::1111]/",
    "http://[64:ff9b::808:808]/",
    "https://example.com:8443/x",
  ]) {
    it(`allows ${url}`, () => {
      expect(guard.refuses(new URL(url))).to.equal(null);
    });
  }

  it("allows private addresses where configured, and link-local and metadata addresses never", () => {
    for (const address of ["127.0.0.1", "10.1.2.3", "::1", "fc00::1", "100.64.0.1"]) {
      expect(addressFault(address, true), address).to.equal(null);
    }
    for (const address of [
      "169.254.169.254",
      "fe80::1",
      "fe80::1%eth0",
      "::ffff:169.254.1.1",
      "100.100.100.200",
      "0.0.0.0",
      "fd00:ec2::254",
    ]) {
      expect(addressFault(address, true), address).to.be.a("string");
    }
  });

  function lookedUp(
    found: readonly LookupAddress[],
    options: { all?: boolean; family?: number } = {},
  ): Promise<unknown> {
    const resolving = createAddressGuard({
      allowPrivate: false,
      resolve: (_name, callback) => callback(null, [...found]),
    });
    return new Promise((resolve, reject) => {
      resolving.lookup("name.example", options, (error, address) => {
        if (error === null) resolve(address);
        else reject(error);
      });
    });
  }

  async function codeOf(promise: Promise<unknown>): Promise<unknown> {
    return promise.then(
      () => null,
      (error: { code?: unknown }) => error.code,
    );
  }

  it("checks a host name by the addresses it resolves to when connecting", async () => {
    expect(await lookedUp([{ address: "8.8.8.8", family: 4 }])).to.equal("8.8.8.8");
    expect(await lookedUp([{ address: "8.8.8.8", family: 4 }], { all: true })).to.deep.equal([
      { address: "8.8.8.8", family: 4 },
    ]);
    expect(await codeOf(lookedUp([{ address: "127.0.0.1", family: 4 }]))).to.equal("ERR_ADDRESS_REFUSED");
    expect(await codeOf(lookedUp([]))).to.equal("ERR_ADDRESS_REFUSED");
  });

  it("refuses a host name when one of its addresses is private", async () => {
    const mixed = [
      { address: "8.8.8.8", family: 4 },
      { address: "::ffff:10.0.0.1", family: 6 },
    ];
    expect(await codeOf(lookedUp(mixed, { all: true }))).to.equal("ERR_ADDRESS_REFUSED");
  });

  it("refuses localhost in any spelling by its address", async () => {
    const code = await codeOf(
      new Promise((resolve, reject) => {
        guard.lookup("localhost.", {}, (error, address) =>
          error === null ? resolve(address) : reject(error),
        );
      }),
    );
    expect(code).to.be.oneOf(["ERR_ADDRESS_REFUSED", "ENOTFOUND", "EAI_AGAIN"]);
  });
});
