/** How clients prove who they are. */
import { certificateNames, jwtAlgorithms, type AuthenticationMethod } from "@sticky-proxy/core/principal";
import { checkCidr, checkFieldName } from "../checks.ts";
import { list, millis, oneOf, text, url } from "../formats.ts";
import { exactlyOne, mapping } from "../shapes.ts";

/** Field names have no case. */
const fieldName = (about: string) =>
  text(about, checkFieldName, { max: 128 }).as(
    (name) => name.toLowerCase(),
    (name) => name,
  );
const scopesField = (about: string) => fieldName(about).allow(null).default(null);
const claim = (about: string) =>
  text(about, (value) => (/^[\x21-\x7e]{1,128}$/.test(value) ? null : "must be the name of a claim"));
const plainText = (about: string) =>
  text(about, (value) => (value.length > 0 ? null : "must not be empty"), { max: 1024 });

const algorithm = oneOf("An asymmetric algorithm.", jwtAlgorithms);

const apiKey = mapping({
  fields: list("Fields that carry a key; in Authorization after Bearer.", fieldName("A field.")).default([
    "authorization",
    "x-api-key",
  ]),
}).description("API keys of the gateway's own: `sticky-proxy keys create`.");

const jwt = mapping({
  jwksUrl: url("Where the issuer's public keys are (RFC 7517).").required(),
  issuer: plainText("What iss must be.").required(),
  audience: list("What aud must hold one of.", plainText("An audience."), { min: 1 }).required(),
  algorithms: list("Algorithms that count.", algorithm, { min: 1 }).default([
    "RS256",
    "PS256",
    "ES256",
    "EdDSA",
  ]),
  principalClaim: claim("The claim that names the principal.").default("sub"),
  scopesClaim: claim("The claim with the scopes; null: a token has every scope.").allow(null).default(null),
  clockSkewMs: millis("By how much clocks may differ.", 60_000, { min: 0, max: 600_000 }),
  keysMaxAgeMs: millis(
    "How long the last keys serve while the issuer does not answer; then 503.",
    3_600_000,
    {
      min: 1000,
      max: 7 * 86_400_000,
    },
  ),
}).description("JSON Web Tokens in Authorization after Bearer.");

const trustedHeader = mapping({
  field: fieldName("The field that names the principal.").required(),
  scopesField: scopesField("The field with the scopes; null: every scope."),
  peers: list(
    "Peers whose word counts: what ends mTLS, or an authenticating proxy.",
    text("A CIDR block.", checkCidr),
    { min: 1, max: 1000 },
  ).required(),
}).description("A field that only named peers may set.");

const forwardAuth = mapping({
  url: url("Asked with GET: 2xx is a yes, 401 and 403 a no, anything else 503.").required(),
  requestFields: list(
    "Fields of the request that are shown to it; without any of them it is not asked.",
    fieldName("A field."),
  ).default(["authorization", "cookie", "x-api-key"]),
  principalField: fieldName("The field of its answer that names the principal.").default("x-auth-principal"),
  scopesField: scopesField("The field of its answer with the scopes; null: every scope."),
  cacheMs: millis("How long a yes is believed, for the very same question; 0: not at all.", 5000, {
    min: 0,
    max: 300_000,
  }),
  timeoutMs: millis("A slower answer is 503.", 2000, { min: 10, max: 60_000 }),
}).description("An HTTP service that says yes or no.");

const clientCertificate = mapping({
  principal: oneOf("Which name of the certificate is the principal.", certificateNames, "common-name"),
}).description("A certificate shown in the TLS handshake with this gateway: needs tls.clientCa.");

const named = exactlyOne({ apiKey, jwt, trustedHeader, forwardAuth, clientCertificate });

/** As in the file: one name and its settings. Elsewhere the name is the method's type. */
const method = named.as(
  (written): AuthenticationMethod => {
    if ("apiKey" in written) return { type: "api-key", ...written.apiKey };
    if ("jwt" in written) return { type: "jwt", ...written.jwt };
    if ("trustedHeader" in written) return { type: "trusted-header", ...written.trustedHeader };
    if ("clientCertificate" in written) return { type: "client-certificate", ...written.clientCertificate };
    return { type: "forward-auth", ...written.forwardAuth };
  },
  (value): (typeof named)["value"] => {
    switch (value.type) {
      case "api-key":
        return { apiKey: value };
      case "jwt":
        return { jwt: value };
      case "trusted-header":
        return { trustedHeader: value };
      case "forward-auth":
        return { forwardAuth: value };
      case "client-certificate":
        return { clientCertificate: value };
    }
  },
);

export const authentication = mapping({
  methods: list("Tried in order, one of the five in each entry; empty: authentication is off.", method, {
    max: 10,
  }),
  principalField: fieldName("The field under which services are told the principal; null: they are not.")
    .allow(null)
    .default(null),
  identityFields: list(
    "Further fields that no client may send: services may take them for an identity.",
    fieldName("A field."),
  ).default([
    "remote-user",
    "x-remote-user",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-authenticated-user",
    "x-user",
    "x-user-id",
  ]),
})
  .description("How clients prove who they are.")
  .default();

export const authenticationMode = oneOf(
  "Whether requests to the service need a proof; `optional`: one that is given has to hold.",
  ["off", "optional", "required"],
).meta({ defaultText: "required where authentication.methods names any, else off" });
