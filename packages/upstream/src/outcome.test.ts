import { expect } from "chai";

import { failedBy, isInstanceFault } from "./outcome.ts";

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe("the outcome of an upstream error", () => {
  const beforeSent: readonly [code: string, error: string][] = [
    ["ECONNREFUSED", "connection_refused"],
    ["ENOTFOUND", "dns_error"],
    ["EAI_AGAIN", "dns_error"],
    ["EHOSTUNREACH", "destination_ip_unroutable"],
    ["UND_ERR_CONNECT_TIMEOUT", "connection_timeout"],
    ["ETIMEDOUT", "connection_timeout"],
    ["ECONNRESET", "connection_terminated"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls_certificate_error"],
    ["CERT_HAS_EXPIRED", "tls_certificate_error"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "tls_certificate_error"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls_certificate_error"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "tls_protocol_error"],
    ["EPROTO", "tls_protocol_error"],
    ["SOMETHING_NEW", "destination_unavailable"],
  ];
  for (const [code, error] of beforeSent) {
    it(`${code} before anything was sent is upstream-unreachable, executed no, ${error}`, () => {
      expect(failedBy(coded(code), false, null)).to.include({
        slug: "upstream-unreachable",
        executed: "no",
        proxyStatus: error,
      });
    });
  }

  const afterSent: readonly [code: string, slug: string, error: string][] = [
    ["UND_ERR_SOCKET", "upstream-invalid-response", "connection_terminated"],
    ["ECONNRESET", "upstream-invalid-response", "connection_terminated"],
    ["EPIPE", "upstream-invalid-response", "connection_terminated"],
    ["ETIMEDOUT", "upstream-invalid-response", "connection_terminated"],
    ["UND_ERR_HEADERS_TIMEOUT", "upstream-timeout", "http_response_timeout"],
    ["UND_ERR_BODY_TIMEOUT", "upstream-timeout", "connection_read_timeout"],
    ["UND_ERR_HEADERS_OVERFLOW", "upstream-invalid-response", "http_response_header_section_size"],
    ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "upstream-invalid-response", "http_response_incomplete"],
    ["HPE_INVALID_CONSTANT", "upstream-invalid-response", "http_protocol_error"],
    ["SOMETHING_NEW", "upstream-invalid-response", "http_protocol_error"],
  ];
  for (const [code, slug, error] of afterSent) {
    it(`${code} after the request was sent is ${slug}, executed unknown, ${error}`, () => {
      expect(failedBy(coded(code), true, null)).to.include({ slug, executed: "unknown", proxyStatus: error });
    });
  }

  it("an error without a code never counts as not executed", () => {
    expect(failedBy(new Error("odd"), true, null)).to.include({
      executed: "unknown",
      slug: "upstream-invalid-response",
    });
    expect(failedBy("not even an error", true, null)).to.include({ executed: "unknown" });
  });

  it("an AggregateError of several addresses is one failure, and the cause of an error is used", () => {
    expect(
      failedBy(new AggregateError([coded("ECONNREFUSED"), coded("ENETUNREACH")]), false, null).proxyStatus,
    ).to.equal("connection_refused");
    expect(failedBy(new Error("x", { cause: coded("ENOTFOUND") }), false, null).proxyStatus).to.equal(
      "dns_error",
    );
  });

  it("the detail names no address, and only faults of the service count against an instance", () => {
    const failed = failedBy(coded("ECONNREFUSED 10.0.0.1:80"), false, null);
    expect(failed.detail).to.not.include("10.0.0.1");
    expect(isInstanceFault(failedBy(coded("ECONNREFUSED"), false, null))).to.equal(true);
    expect(isInstanceFault(failedBy(coded("BODY_TOO_LARGE"), true, null))).to.equal(false);
    expect(isInstanceFault(failedBy(coded("REQUEST_CUT"), true, null))).to.equal(false);
    expect(isInstanceFault(failedBy(coded("UND_ERR_INVALID_ARG"), false, null))).to.equal(false);
  });
});
