import { expect } from "chai";

import { looksProxied, readProxyHeader } from "./proxy-protocol.ts";

const signature = "0d0a0d0a000d0a515549540a";
const v4 = "c0000201" + "cb007109" + "d431" + "01bb"; // 192.0.2.1:54321 to 203.0.113.9:443
const v6 = "20010db8000000000000000000000001" + "20010db8000000000000000000000002" + "d431" + "01bb";
const mapped = "00000000000000000000ffffc0000201" + "00000000000000000000ffffc0000202" + "d431" + "01bb";

/** A header of version 2: command, family, block, all in hex. */
function binary(command: string, family: string, block: string): Buffer {
  const bytes = (block.length / 2).toString(16).padStart(4, "0");
  return Buffer.from(`${signature}${command}${family}${bytes}${block}`, "hex");
}
const line = (text: string): Buffer => Buffer.from(`${text}\r\n`, "latin1");
const followed = (header: Buffer): Buffer => Buffer.concat([header, Buffer.from("GET / HTTP/1.1\r\n")]);
const from = (address: string, encrypted: boolean | null = null) => ({ address, encrypted });

describe("a PROXY protocol header", () => {
  for (const { what, header, source } of [
    {
      what: "v1, IPv4",
      header: line("PROXY TCP4 192.0.2.1 203.0.113.9 54321 443"),
      source: from("192.0.2.1"),
    },
    {
      what: "v1, IPv6",
      header: line("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535"),
      source: from("2001:db8::1"),
    },
    {
      what: "v1, IPv4 as IPv6",
      header: line("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2"),
      source: from("192.0.2.1"),
    },
    { what: "v1, unknown", header: line("PROXY UNKNOWN"), source: null },
    { what: "v1, unknown with addresses", header: line("PROXY UNKNOWN ffff::1 ffff::2 1 2"), source: null },
    { what: "v2, IPv4", header: binary("21", "11", v4), source: from("192.0.2.1") },
    { what: "v2, IPv6", header: binary("21", "21", v6), source: from("2001:db8::1") },
    { what: "v2, IPv4 as IPv6", header: binary("21", "21", mapped), source: from("192.0.2.1") },
    { what: "v2, LOCAL", header: binary("20", "00", ""), source: null },
    { what: "v2, LOCAL with addresses", header: binary("20", "11", v4), source: null },
    { what: "v2, no family", header: binary("21", "00", ""), source: null },
    { what: "v2, a Unix socket", header: binary("21", "31", "00".repeat(216)), source: null },
    { what: "v2, datagrams", header: binary("21", "12", v4), source: null },
    {
      what: "v2, over TLS",
      header: binary("21", "11", `${v4}2000050100000000`),
      source: from("192.0.2.1", true),
    },
    {
      what: "v2, told not to be over TLS",
      header: binary("21", "11", `${v4}2000050000000000`),
      source: from("192.0.2.1", false),
    },
    {
      what: "v2, other additions",
      header: binary("21", "11", `${v4}0100026832ea0003abcdef040000`),
      source: from("192.0.2.1"),
    },
    {
      what: "v2, the right checksum",
      header: binary("21", "11", `${v4}0300041ecc653b`),
      source: from("192.0.2.1"),
    },
  ]) {
    it(`${what}: read to its end and no further, however it arrives`, () => {
      const read = { kind: "read", length: header.byteLength, source };
      expect(readProxyHeader(header)).to.deep.equal(read);
      expect(readProxyHeader(followed(header))).to.deep.equal(read);
      for (let bytes = 0; bytes < header.byteLength; bytes += 1)
        expect(readProxyHeader(header.subarray(0, bytes)), `${bytes} bytes`).to.deep.equal({
          kind: "incomplete",
        });
      expect(looksProxied(header)).to.equal(true);
    });
  }

  for (const { what, bytes, reason } of [
    { what: "none", bytes: Buffer.from("GET / HTTP/1.1\r\n\r\n"), reason: "there is none" },
    { what: "a handshake of TLS", bytes: Buffer.from("160301", "hex"), reason: "there is none" },
    { what: "another case", bytes: line("proxy TCP4 192.0.2.1 192.0.2.2 1 2"), reason: "there is none" },
    { what: "no end", bytes: Buffer.from(`PROXY UNKNOWN ${"x".repeat(200)}`), reason: "the line has no end" },
    {
      what: "an end after 107 bytes",
      bytes: line(`PROXY UNKNOWN ${"x".repeat(92)}`),
      reason: "the line has no end",
    },
    {
      what: "another family",
      bytes: line("PROXY UDP4 192.0.2.1 192.0.2.2 1 2"),
      reason: "its addresses are wrong",
    },
    {
      what: "a family that its addresses are not of",
      bytes: line("PROXY TCP4 ::1 ::1 1 2"),
      reason: "its addresses are wrong",
    },
    {
      what: "a short address",
      bytes: line("PROXY TCP4 127.1 127.0.0.1 1 2"),
      reason: "its addresses are wrong",
    },
    { what: "a zone", bytes: line("PROXY TCP6 fe80::1%eth0 ::1 1 2"), reason: "its addresses are wrong" },
    { what: "no addresses", bytes: line("PROXY TCP4"), reason: "its addresses are wrong" },
    { what: "one port", bytes: line("PROXY TCP4 192.0.2.1 192.0.2.2 1"), reason: "its ports are wrong" },
    {
      what: "three ports",
      bytes: line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3"),
      reason: "its ports are wrong",
    },
    { what: "two spaces", bytes: line("PROXY TCP4 192.0.2.1 192.0.2.2  1 2"), reason: "its ports are wrong" },
    {
      what: "a port with a zero before it",
      bytes: line("PROXY TCP4 192.0.2.1 192.0.2.2 01 2"),
      reason: "its ports are wrong",
    },
    {
      what: "a port above 65535",
      bytes: line("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536"),
      reason: "its ports are wrong",
    },
    { what: "version 3", bytes: binary("31", "11", v4), reason: "its version or command is unknown" },
    {
      what: "an unknown command",
      bytes: binary("22", "11", v4),
      reason: "its version or command is unknown",
    },
    {
      what: "addresses that are cut off",
      bytes: binary("21", "21", v4),
      reason: "its addresses are cut off",
    },
    {
      what: "a block above the limit",
      bytes: binary("21", "11", "00".repeat(4097)),
      reason: "it is longer than 4096 bytes",
    },
    {
      what: "an addition without its length",
      bytes: binary("21", "11", `${v4}2000`),
      reason: "an addition is cut off",
    },
    {
      what: "an addition that is cut off",
      bytes: binary("21", "11", `${v4}200005ff`),
      reason: "an addition is cut off",
    },
    {
      what: "an empty word about TLS",
      bytes: binary("21", "11", `${v4}200000`),
      reason: "an addition is cut off",
    },
    {
      what: "a wrong checksum",
      bytes: binary("21", "11", `${v4}03000400000001`),
      reason: "its checksum is wrong",
    },
    {
      what: "a short checksum",
      bytes: binary("21", "11", `${v4}0300020000`),
      reason: "its checksum is wrong",
    },
  ]) {
    it(`${what}: refused, with the reason`, () =>
      expect(readProxyHeader(bytes)).to.deep.equal({ kind: "invalid", reason }));
  }

  it("is told apart from what only begins like it", () => {
    for (const bytes of ["GET / HTTP/1.1\r\n", "\r\n\r\nGET / HTTP/1.1", "PROXYING", ""])
      expect(looksProxied(Buffer.from(bytes)), bytes).to.equal(false);
  });
});
