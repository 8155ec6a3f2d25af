import { expect } from "chai";
import fc from "fast-check";

import {
  connectionOptions,
  withoutNominated,
  loopCount,
  repeatedSingleField,
  requestHeaders,
  responseFault,
  responseHeaders,
  responseTrailers,
  type RequestRules,
} from "./header-rules.ts";
import type { HeaderLine } from "./message.ts";

const rules: RequestRules = {
  httpVersion: "1.1",
  pseudonym: "gate",
  loopId: "gate-1",
  trustedPeer: false,
  peer: "10.0.0.9",
  protocol: "http",
  host: "a.example",
};

function namesOf(lines: readonly HeaderLine[]): string[] {
  return lines.map(([name]) => name.toLowerCase());
}

describe("header rules", () => {
  it("an IPv6 client and a host with a port are quoted in Forwarded (RFC 7239 4)", () => {
    const lines = requestHeaders([], { ...rules, peer: "2001:db8::1", host: "a.example:81" });
    expect(lines).to.deep.include(["Forwarded", 'for="[2001:db8::1]";proto=http;host="a.example:81"']);
    expect(lines).to.deep.include(["X-Forwarded-For", "2001:db8::1"]);
  });

  it("a request of our own says nothing about a client", () => {
    const names = namesOf(
      requestHeaders([["X-Forwarded-For", "1.1.1.1"]], { ...rules, peer: null, host: "" }),
    );
    expect(names).to.not.include("x-forwarded-for");
    expect(names).to.not.include("forwarded");
    expect(names).to.not.include("x-forwarded-host");
  });

  it("Cookie lines become one; many small ranges are not passed on", () => {
    const lines = requestHeaders(
      [
        ["Cookie", "a=1"],
        ["X", "y"],
        ["cookie", "b=2; c=3"],
        ["Range", "bytes=0-1,3-4"],
      ],
      rules,
    );
    expect(lines.slice(0, 3)).to.deep.equal([
      ["Cookie", "a=1; b=2; c=3"],
      ["X", "y"],
      ["Range", "bytes=0-1,3-4"],
    ]);
    const many = `bytes=${Array.from({ length: 17 }, (_, i) => `${i}-${i}`).join(",")}`;
    expect(namesOf(requestHeaders([["Range", many]], rules))).to.not.include("range");
  });

  const line = fc.tuple(
    fc.constantFrom(
      "Connection",
      "connection",
      "X-A",
      "X-B",
      "Keep-Alive",
      "TE",
      "Upgrade",
      "Cookie",
      "Via",
      "Transfer-Encoding",
      "Sticky-X",
      "sticky_x",
      "X-Forwarded-For",
      "x_forwarded_for",
      "__proto__",
      "Content-Type",
    ),
    fc.constantFrom("x-a", "X-B, close", "keep-alive", "cookie", "via, x-a", "1", "", "host"),
  );

  it("property: no hop-by-hop line, no named line, nothing of ours survives; the rest keeps its order", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const named = connectionOptions(lines) ?? new Set<string>();
        const out = requestHeaders(lines, rules);
        for (const name of namesOf(out)) {
          expect([
            "connection",
            "keep-alive",
            "te",
            "upgrade",
            "transfer-encoding",
            "sticky-x",
            "sticky_x",
            "x_forwarded_for",
          ]).to.not.include(name);
          expect(named.has(name)).to.equal(false);
        }
        const kept = lines.filter((candidate) => out.includes(candidate) || /^cookie$/i.test(candidate[0]));
        if (kept.filter(([name]) => name === "Cookie").length > 1) return;
        expect(out.slice(0, kept.length)).to.deep.equal(kept);
        expect(out.filter(([name]) => name === "X-Forwarded-For")).to.deep.equal([
          ["X-Forwarded-For", "10.0.0.9"],
        ]);
      }),
    );
  });

  it("property: a response loses the same and keeps every Set-Cookie line", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.nat(4), (lines, cookies) => {
        const set = Array.from({ length: cookies }, (_, i): HeaderLine => ["Set-Cookie", `c${i}=1`]);
        const { headers } = responseHeaders([...lines, ...set], 200, "gate");
        expect(headers.filter(([name]) => name === "Set-Cookie")).to.deep.equal(set);
        for (const name of namesOf(headers)) {
          expect([
            "connection",
            "keep-alive",
            "te",
            "upgrade",
            "transfer-encoding",
            "sticky-x",
          ]).to.not.include(name);
        }
        expect(headers.at(-1)).to.deep.equal(["Via", "1.1 gate"]);
      }),
    );
  });

  it("Connection names nothing that later hops decide by", () => {
    const named = connectionOptions([
      ["Connection", "close, Host, content-length, AUTHORIZATION, Sticky-Force, X-Forwarded-Proto, x-mine,,"],
    ]);
    expect([...(named ?? [])]).to.deep.equal(["x-mine"]);
    expect(connectionOptions([["Connection", "keep-alive"]])).to.equal(null);
  });

  it("what Connection names is gone for every later step, but for the fields that the configuration names", () => {
    const lines: HeaderLine[] = [
      ["Connection", "close, X-Hop, X-Account, Accept-Language"],
      ["x-hop", "1"],
      ["x-account", "55"],
      ["accept-language", "pt"],
    ];
    expect(withoutNominated(lines, new Set(["x-account"]))).to.deep.equal(lines.slice(2));
    const unnamed: HeaderLine[] = [["Connection", "close"]];
    expect(withoutNominated(unnamed, new Set())).to.equal(unnamed);
  });

  it("what the service tells the gateway is read by lower-case name", () => {
    const { sticky, headers } = responseHeaders(
      [
        ["STICKY-Execution", "t"],
        ["Idempotent-Replayed", "true"],
        ["X", "1"],
      ],
      200,
      "gate",
    );
    expect([...sticky]).to.deep.equal([["sticky-execution", "t"]]);
    expect(namesOf(headers), "a service that keeps keys itself says so to its client").to.deep.equal([
      "idempotent-replayed",
      "x",
      "via",
    ]);
  });

  it("a field with one value may stand once", () => {
    expect(
      repeatedSingleField([
        ["A", "1"],
        ["a", "2"],
        ["Content-Type", "x"],
      ]),
    ).to.equal(null);
    expect(
      repeatedSingleField([
        ["Content-Type", "x"],
        ["content-type", "x"],
      ]),
    ).to.equal("content-type");
  });

  it("a loop is counted by the whole id, in any case, with parameters", () => {
    expect(
      loopCount(
        [
          ["CDN-Loop", "other, GATE-1;v=2"],
          ["cdn-loop", "gate-1, gate-10"],
        ],
        "gate-1",
      ),
    ).to.equal(2);
    expect(
      loopCount(
        [
          ["CDN-Loop", "gate-11"],
          ["X", "gate-1"],
        ],
        "gate-1",
      ),
    ).to.equal(0);
  });

  it("a response's head is judged before it is passed on or stored", () => {
    expect(responseFault(200, [["X", "caf\xe9\t ok"]])).to.equal(null);
    expect(responseFault(99, [])).to.be.a("string");
    expect(responseFault(600, [])).to.be.a("string");
    expect(responseFault(200, [["X y", "1"]])).to.be.a("string");
    expect(responseFault(200, [["", "1"]])).to.be.a("string");
    expect(responseFault(200, [["X", "a\r\nb"]])).to.be.a("string");
    expect(responseFault(200, [["X", "\u0100"]])).to.be.a("string");
  });

  it("trailers that could frame, authenticate or route are not on the list", () => {
    const lines: HeaderLine[] = [
      ["Server-Timing", "a"],
      ["Content-Length", "1"],
      ["Authorization", "x"],
      ["Set-Cookie", "a"],
      ["Host", "b"],
      ["Cache-Control", "c"],
      ["Content-Digest", "d"],
    ];
    expect(namesOf(responseTrailers(lines))).to.deep.equal(["server-timing", "content-digest"]);
  });
});
