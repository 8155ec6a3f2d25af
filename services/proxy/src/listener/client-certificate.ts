/** The certificate that a client showed in its handshake. */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

import type { ClientCertificate } from "@sticky-proxy/core/principal";

/** A connection's certificate does not change: no renegotiation in TLS 1.3, and Node refuses a client's in 1.2. */
const known = new WeakMap<TLSSocket, ClientCertificate | null>();

/** null: none was shown, or the connection is not encrypted. */
export function certificateOf(socket: Socket): ClientCertificate | null {
  if (!(socket instanceof TLSSocket)) return null;
  let found = known.get(socket);
  if (found === undefined) known.set(socket, (found = shownOn(socket)));
  return found;
}

function shownOn(socket: TLSSocket): ClientCertificate | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return null;
  const commonNames = certificate.subject.split("\n").filter((line) => line.startsWith("CN="));
  const fault = socket.authorizationError as Error | string | null | undefined;
  return {
    fault: socket.authorized ? null : String(fault ?? "it is not trusted"),
    commonName: commonNames.length === 1 ? commonNames[0]!.slice(3) : null,
    altNames: certificate.subjectAltName ?? null,
    fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
  };
}
