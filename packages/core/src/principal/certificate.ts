/** A client's certificate as the TLS end saw it, and whom it names. Pure: the handshake has verified it, or says why not. */
import { subjectOf } from "./grant.ts";

export interface ClientCertificate {
  /** null: the chain leads to a trusted authority; else what is wrong with it. */
  readonly fault: string | null;
  /** CN of the subject; null: it has none, or several. */
  readonly commonName: string | null;
  /** Node's text of the subject's other names: `DNS:a, URI:spiffe://b, email:c`; null: none. */
  readonly altNames: string | null;
  /** SHA-256 over the certificate, lower-case hexadecimal without colons. */
  readonly fingerprint: string;
}

export const certificateNames = ["common-name", "dns", "uri", "email", "fingerprint"] as const;

export type CertificateName = (typeof certificateNames)[number];

const prefixes = { dns: "DNS:", uri: "URI:", email: "email:" } as const;

/** null: it has no such name, or more than one, so that it names nobody. */
export function subjectOfCertificate(certificate: ClientCertificate, from: CertificateName): string | null {
  if (from === "fingerprint") return certificate.fingerprint;
  if (from === "common-name") return subjectOf(certificate.commonName);
  const prefix = prefixes[from];
  const names = splitAltNames(certificate.altNames ?? "").filter((name) => name.startsWith(prefix));
  return names.length === 1 ? subjectOf(names[0]!.slice(prefix.length)) : null;
}

/**
 * Node separates by ", " and writes a name that holds such a sequence as a JSON string (CVE-2021-44532): a quoted name is
 * never one that anybody means, and is left out.
 */
function splitAltNames(text: string): string[] {
  if (text.includes('"')) return [];
  return text.split(", ");
}
