/** A certificate that the client showed in the TLS handshake with this gateway. */
import {
  grantScopes,
  subjectOfCertificate,
  type ClientCertificateMethod,
} from "@sticky-proxy/core/principal";
import type { ProvingMethod } from "./method.ts";

export function clientCertificateMethod({ principal }: ClientCertificateMethod): ProvingMethod {
  return function prove({ certificate }) {
    if (certificate === null) return { kind: "absent" };
    if (certificate.fault !== null)
      return { kind: "refused", why: `the client's certificate does not hold: ${certificate.fault}` };
    const subject = subjectOfCertificate(certificate, principal);
    if (subject === null)
      return { kind: "refused", why: `the client's certificate has no single ${principal}` };
    return { kind: "proved", grant: { subject, scopes: grantScopes, fields: [] } };
  };
}
