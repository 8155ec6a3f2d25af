import { expect } from "chai";
import type { HeaderList } from "../http/message.ts";
import { bearerOf, headersToService, singleLine, type Authentication } from "./authentication.ts";
import { maySend, scopesIn, subjectOf } from "./grant.ts";

const authentication: Authentication = {
  methods: [
    { type: "api-key", fields: ["authorization", "x-api-key"] },
    { type: "trusted-header", field: "x-sso-user", scopesField: "x-sso-scopes", peers: ["10.0.0.0/8"] },
  ],
  principalField: "x-principal",
  identityFields: ["x-user-id"],
};
const grant = { subject: "alice", scopes: ["submit"] as const, fields: ["authorization"] };
const sent = (headers: HeaderList, who: typeof grant | null = grant, forwards = false) =>
  headersToService(headers, authentication, who, forwards);

describe("the fields that a service gets of an authenticated request", () => {
  it("are without the credential that was proved, and with it where the route forwards it", () => {
    const headers = [
      ["Authorization", "Bearer k"],
      ["X-Other", "1"],
    ] as const;
    expect(sent(headers)).to.deep.equal([
      ["X-Other", "1"],
      ["x-principal", "alice"],
    ]);
    expect(sent(headers, grant, true)).to.deep.equal([...headers, ["x-principal", "alice"]]);
  });

  it("tell no identity of the client's own, whoever it is", () => {
    for (const name of ["X-Principal", "x-sso-user", "X-SSO-Scopes", "X-User-Id", "x_principal", "X_User_Id"])
      expect(sent([[name, "root"]], null), name).to.deep.equal([]);
    expect(sent([["X-Principal", "root"]])).to.deep.equal([["x-principal", "alice"]]);
  });

  it("keep the principal whatever Connection names", () => {
    expect(sent([["Connection", "keep-alive, X-Principal"]])[0]).to.deep.equal(["Connection", "keep-alive"]);
    expect(sent([["Connection", "x-principal"]])[0]).to.deep.equal(["Connection", "close"]);
  });

  it("name a principal in visible ASCII, and two principals never alike", () => {
    const named = (subject: string) => sent([], { ...grant, subject })[0]![1];
    expect(named("a\r\nX-Admin: 1")).to.equal("a%0D%0AX-Admin:%201");
    expect(named("zoë")).to.equal("zo%C3%AB");
    expect(named("zo%C3%AB")).not.to.equal(named("zoë"));
    expect(named("\ud800")).to.equal("%EF%BF%BD");
  });
});

describe("reading credentials and scopes", () => {
  it("a Bearer credential stands alone in one Authorization line", () => {
    expect(bearerOf([["Authorization", "bearer abc"]])).to.equal("abc");
    for (const line of ["Basic abc", "Bearer", "Bearer a b", "abc"])
      expect(bearerOf([["authorization", line]]), line).to.equal(null);
    expect(
      bearerOf([
        ["authorization", "Bearer a"],
        ["Authorization", "Bearer b"],
      ]),
    ).to.equal(null);
    expect(
      singleLine(
        [
          ["x", "a"],
          ["X", "b"],
        ],
        "x",
      ),
    ).to.equal("");
  });

  it("scopes are words in a text or a list; unknown words grant nothing", () => {
    expect(scopesIn("openid read, cancel")).to.deep.equal(["read", "cancel"]);
    expect(scopesIn(["submit", "admin"])).to.deep.equal(["submit"]);
    expect(scopesIn({ submit: true })).to.deep.equal([]);
    expect(maySend(["read"], true)).to.equal(true);
    expect(maySend(["read"], false)).to.equal(false);
    expect(maySend(["submit"], true)).to.equal(true);
    expect(maySend(["cancel", "force"], true)).to.equal(false);
  });

  it("a subject is a text of bounded length", () => {
    expect(subjectOf("a")).to.equal("a");
    for (const wrong of ["", "a".repeat(256), 7, null, undefined, ["a"]])
      expect(subjectOf(wrong)).to.equal(null);
  });
});
