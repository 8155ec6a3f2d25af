/** Every list of header names, whole: as written by hand here, as it stands in the source, and what each name does. */
import { isHopByHop } from "@sticky-proxy/protocol/http";
import { expect } from "chai";
import {
  connectionOptions,
  keptAgainstConnection,
  methodOverrides,
  overrides,
  passedTrailers,
  provenance,
  repeatedSingleField,
  requestHeaders,
  responseHeaders,
  responseTrailers,
  rewrittenInRequest,
  singleValued,
  tunnelledMethod,
  type RequestRules,
} from "./header-rules.ts";

const rules: RequestRules = {
  httpVersion: "1.1",
  pseudonym: "gate",
  loopId: "gate-1",
  trustedPeer: false,
  peer: null,
  protocol: "http",
  host: "",
};
const trusted: RequestRules = { ...rules, trustedPeer: true };

const sent = (name: string, given = rules): string[] =>
  requestHeaders([[name, "evil"]], given).flatMap(([sentName, value]) =>
    value.includes("evil") ? [sentName.toLowerCase()] : [],
  );
const answered = (name: string): string[] =>
  responseHeaders([[name, "1"]], 200, "gate").headers.map(([answeredName]) => answeredName.toLowerCase());

const isDroppedFromRequests = (name: string): void => {
  for (const spelling of [name, name.toUpperCase(), name.replaceAll("-", "_")])
    for (const given of [rules, trusted]) expect(sent(spelling, given), spelling).to.deep.equal([]);
};
const isDroppedBothWays = (name: string): void => {
  isDroppedFromRequests(name);
  for (const spelling of [name, name.toUpperCase()]) expect(answered(spelling)).to.deep.equal(["via"]);
};

const lists: readonly (readonly [
  what: string,
  /** null: it stands in packages/protocol, with a test of its own. */
  source: ReadonlySet<string> | null,
  byHand: string,
  holds: (name: string) => void,
])[] = [
  [
    "what belongs to one connection goes neither to the service nor to the client (RFC 9110 7.6.1)",
    null,
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade http2-settings",
    (name) => {
      isDroppedBothWays(name);
      expect(isHopByHop(name)).to.equal(true);
    },
  ],
  [
    "what a client and its proxy say of their credentials goes no further (RFC 9110 11.7)",
    null,
    "proxy-authenticate proxy-authorization proxy-authentication-info",
    (name) => {
      isDroppedBothWays(name);
      expect(isHopByHop(name)).to.equal(true);
    },
  ],
  [
    "what a service could act on instead of method, path and host never reaches it, also from a trusted peer",
    overrides,
    "x-http-method-override x-http-method x-method-override x-original-url x-original-host x-rewrite-url proxy",
    isDroppedFromRequests,
  ],
  [
    "a tunnelled method goes on with an unsafe request, and is known",
    methodOverrides,
    "x-http-method-override x-http-method x-method-override",
    (name) => {
      expect(sent(name, { ...rules, passesMethodOverride: true })).to.deep.equal([name]);
      const asks = (method: string, value: string) => tunnelledMethod({ method, headers: [[name, value]] });
      expect(asks("POST", "DELETE")).to.equal("DELETE");
      expect(asks("PATCH", " put ")).to.equal("put");
      expect(asks("POST", "post"), "its own method").to.equal(null);
      expect(asks("GET", "DELETE"), "a safe request").to.equal(null);
    },
  ],
  [
    "what the gateway writes anew is never the client's word",
    rewrittenInRequest,
    "host expect content-length x-request-id traceparent tracestate x-dual-write-executed",
    isDroppedFromRequests,
  ],
  [
    "where a request came from is dropped as an untrusted peer's word and kept as a trusted one's",
    provenance,
    "forwarded x-real-ip x-client-ip x-cluster-client-ip true-client-ip cf-connecting-ip " +
      "cf-connecting-ipv6 fastly-client-ip fly-client-ip",
    (name) => {
      for (const spelling of [name, name.toUpperCase(), name.replaceAll("-", "_")])
        expect(sent(spelling), spelling).to.deep.equal([]);
      // Forwarded is written anew from what it says.
      expect(sent(name, trusted)).to.deep.equal(name === "forwarded" ? [] : [name]);
    },
  ],
  [
    "what later hops decide by stays whatever Connection names",
    keptAgainstConnection,
    "host accept accept-charset accept-encoding accept-language age cache-tag content-digest " +
      "content-encoding content-language content-location content-range etag expires if-match " +
      "if-modified-since if-none-match if-range if-unmodified-since last-modified location origin pragma " +
      "prefer range referer retry-after sec-fetch-site signature signature-input surrogate-key user-agent " +
      "vary content-length content-type authorization cookie set-cookie forwarded via cdn-loop " +
      "idempotency-key x-idempotency-key cache-control date x-request-id traceparent tracestate",
    (name) => {
      expect(connectionOptions([["Connection", `${name.toUpperCase()}, x-mine`]])).to.deep.equal(
        new Set(["x-mine"]),
      );
    },
  ],
  [
    "a field of one value that stands twice is told by its name (RFC 9110 5.3)",
    singleValued,
    "host authorization proxy-authorization content-type content-length content-range content-location date from " +
      "if-range max-forwards origin range referer user-agent sec-websocket-key sec-websocket-version",
    (name) => {
      const upper = name.toUpperCase();
      expect(repeatedSingleField([[name, "a"]])).to.equal(null);
      expect(
        repeatedSingleField([
          [name, "a"],
          [upper, "a"],
        ]),
      ).to.equal(name);
    },
  ],
  [
    "a trailer that only describes its content goes on",
    passedTrailers,
    "content-digest repr-digest digest content-md5 server-timing grpc-status grpc-message x-checksum",
    (name) => {
      const line = [name.toUpperCase(), "1"] as const;
      expect(responseTrailers([line, ["X-Other", "1"]])).to.deep.equal([line]);
    },
  ],
];

describe("a list of header names", () => {
  for (const [what, source, byHand, holds] of lists)
    it(what, () => {
      const names = byHand.split(" ");
      if (source !== null) expect([...source].toSorted()).to.deep.equal(names.toSorted());
      for (const name of names) holds(name);
    });

  it("every X-Forwarded field is a client's word about itself, whatever follows", () => {
    for (const name of ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-anything"]) {
      expect(sent(name), name).to.deep.equal([]);
      expect(sent(name.replaceAll("-", "_")), name).to.deep.equal([]);
      const isRewritten = name !== "x-forwarded-anything";
      expect(sent(name, trusted), name).to.deep.equal(isRewritten ? [] : [name]);
    }
  });

  it("what the gateway decides by cannot be spelt with underscores", () => {
    for (const name of ["idempotency_key", "x_idempotency_key", "cdn_loop", "sticky_force"])
      expect(sent(name), name).to.deep.equal([]);
    expect(sent("x_mine"), "others may").to.deep.equal(["x_mine"]);
  });

  it("what is ours stands in no message of others, but a service that keeps keys says so to its client", () => {
    for (const name of ["sticky-anything", "idempotent-replayed", "idempotency-expires"])
      isDroppedFromRequests(name);
    for (const name of ["sticky-anything", "idempotency-expires"])
      expect(answered(name)).to.deep.equal(["via"]);
    expect(answered("idempotent-replayed")).to.deep.equal(["idempotent-replayed", "via"]);
    expect(
      responseHeaders([["Idempotent-Replayed", "true"]], 103, "gate").headers,
      "an interim response has no word of ours",
    ).to.deep.equal([["Via", "1.1 gate"]]);
  });
});
