import { expect } from "chai";
import type { HeaderList } from "../http/message.ts";
import { credentialOf, mayShareWith } from "./credential.ts";

interface Keyed {
  readonly credential: readonly string[];
  readonly ignoredCookies: readonly string[];
  readonly keyHeaders: readonly string[];
  readonly keyCookies: readonly string[];
}

const usual: Keyed = {
  credential: ["authorization", "cookie"],
  ignoredCookies: ["_ga*", "_gid", "_fbp"],
  keyHeaders: [],
  keyCookies: [],
};

describe("the credential of a request to a cached route", () => {
  for (const [what, headers, policy, credential] of [
    ["nothing", [], usual, "none"],
    ["Authorization", [["Authorization", "Bearer a"]], usual, "named"],
    ["a session cookie", [["Cookie", "sid=1"]], usual, "cookie"],
    [
      "both",
      [
        ["Cookie", "sid=1"],
        ["authorization", "x"],
      ],
      usual,
      "named",
    ],
    ["cookies of analytics only", [["Cookie", "_ga=GA1.2; _gid=1; _fbp=fb.1; _ga_ABC=1"]], usual, "none"],
    ["a cookie of analytics and a session", [["Cookie", "_ga=GA1.2; sid=1"]], usual, "cookie"],
    ["a cookie that enters the key", [["Cookie", "lang=de"]], { ...usual, keyCookies: ["lang"] }, "none"],
    [
      "a field that the service names",
      [["X-Api-Key", "k"]],
      { ...usual, credential: ["x-api-key"] },
      "named",
    ],
    [
      "a named field that enters the key",
      [["X-Api-Key", "k"]],
      { ...usual, credential: ["x-api-key"], keyHeaders: ["x-api-key"] },
      "none",
    ],
    [
      "another cookie than the named one",
      [["Cookie", "theme=dark"]],
      { ...usual, credential: ["cookie.session"] },
      "none",
    ],
    [
      "the named cookie",
      [["Cookie", "theme=dark; session=s"]],
      { ...usual, credential: ["cookie.session"] },
      "named",
    ],
    [
      "Authorization where the service names something else",
      [["Authorization", "a"]],
      { ...usual, credential: [] },
      "named",
    ],
  ] as [string, HeaderList, Keyed, string][])
    it(`${what}: ${credential}`, () => {
      expect(credentialOf(headers, policy)).to.equal(credential);
    });
});

describe("a response is shared with a credential", () => {
  const from = (
    lifetimeFrom: "max-age" | "s-maxage" | "expires" | "default" | "heuristic" | "negative" | "none",
    sharedWithAuthorization = false,
  ) => ({
    lifetimeFrom,
    sharedWithAuthorization,
  });
  for (const lifetime of ["default", "heuristic", "negative"] as const)
    it(`never by a lifetime that we chose (${lifetime}), unless the service calls it public`, () => {
      expect(mayShareWith("none", from(lifetime))).to.equal(true);
      expect(mayShareWith("cookie", from(lifetime))).to.equal(false);
      expect(mayShareWith("named", from(lifetime))).to.equal(false);
      expect(mayShareWith("cookie", from(lifetime, true))).to.equal(true);
    });
  for (const lifetime of ["max-age", "s-maxage", "expires"] as const)
    it(`by the service's own ${lifetime} with a cookie; with a named credential only where it says so`, () => {
      expect(mayShareWith("cookie", from(lifetime))).to.equal(true);
      expect(mayShareWith("named", from(lifetime))).to.equal(false);
      expect(mayShareWith("named", from(lifetime, true))).to.equal(true);
    });
});
