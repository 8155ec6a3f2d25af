/** TLS of the data plane's listener, and with services. */
import { checkHost } from "../checks.ts";
import { list, oneOf, text } from "../formats.ts";
import { mapping } from "../shapes.ts";

const file = (about: string) =>
  text(about, (value) => (value.length > 0 ? null : "must not be empty"), { max: 4096 });

const pair = {
  cert: file("PEM file: the certificate and its chain.").required(),
  key: file("PEM file: its private key.").required(),
};

export const tls = mapping({
  ...pair,
  others: list(
    "Further certificates, chosen by the server name that a client asks for (SNI); `cert` is for all other names.",
    mapping(pair),
    { max: 1000 },
  ),
  minVersion: oneOf("Least version that is spoken.", ["TLSv1.2", "TLSv1.3"], "TLSv1.2"),
  clientCa: file("PEM file: authorities of clients' certificates; null: nobody is asked for one.")
    .allow(null)
    .default(null),
  clientCertificates: oneOf(
    "With `clientCa`, whether a client has to show one: `require` ends handshakes without.",
    ["request", "require"],
    "request",
  ),
});

export const upstreamTls = mapping({
  ca: file("PEM file: authorities that are trusted instead of the system's.").allow(null).default(null),
  cert: file("PEM file: the certificate that this gateway shows.").allow(null).default(null),
  key: file("PEM file: its private key.").allow(null).default(null),
  serverName: text(
    "Asked for (SNI), and what the certificate must name; null: the instance's host.",
    checkHost,
  )
    .allow(null)
    .default(null),
  minVersion: oneOf("Least version that is spoken.", ["TLSv1.2", "TLSv1.3"], "TLSv1.2"),
});
