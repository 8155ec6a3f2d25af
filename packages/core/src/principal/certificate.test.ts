import { expect } from "chai";
import { subjectOfCertificate, type ClientCertificate } from "./certificate.ts";

const certificate: ClientCertificate = {
  fault: null,
  commonName: "alice",
  altNames: "DNS:one.example, URI:spiffe://cluster/pay, email:a@example.com",
  fingerprint: "ab12",
};

describe("the principal of a client's certificate", () => {
  it("is the name that the configuration asks for", () => {
    expect(subjectOfCertificate(certificate, "common-name")).to.equal("alice");
    expect(subjectOfCertificate(certificate, "dns")).to.equal("one.example");
    expect(subjectOfCertificate(certificate, "uri")).to.equal("spiffe://cluster/pay");
    expect(subjectOfCertificate(certificate, "email")).to.equal("a@example.com");
    expect(subjectOfCertificate(certificate, "fingerprint")).to.equal("ab12");
  });

  for (const { what, altNames } of [
    { what: "none", altNames: null },
    { what: "two", altNames: "URI:spiffe://a, URI:spiffe://b" },
    { what: "a quoted one, which may hide another", altNames: 'DNS:"x, URI:spiffe://cluster/pay"' },
    { what: "an empty one", altNames: "URI:" },
  ]) {
    it(`is nobody where the certificate has ${what}`, () => {
      expect(subjectOfCertificate({ ...certificate, altNames }, "uri")).to.equal(null);
    });
  }

  it("is nobody without a common name, or with one that is too long", () => {
    for (const commonName of [null, "", "x".repeat(256)])
      expect(subjectOfCertificate({ ...certificate, commonName }, "common-name")).to.equal(null);
  });
});
