import { expect } from "chai";
import { csrfFault, type UnsafeRequest } from "./csrf.ts";

const panel: UnsafeRequest = {
  fetchSite: "same-origin",
  origin: "https://admin.example",
  host: "admin.example",
  contentType: "application/json",
};

describe("a request that changes something with a cookie", () => {
  const cases: readonly (readonly [string, Partial<UnsafeRequest>, boolean])[] = [
    ["of the panel passes", {}, true],
    [
      "with a charset beside the content type passes",
      { contentType: "Application/JSON; charset=utf-8" },
      true,
    ],
    ["of an older browser passes by its Origin", { fetchSite: undefined }, true],
    [
      "of an older browser on another port is refused",
      { fetchSite: undefined, origin: "https://admin.example:444" },
      false,
    ],
    [
      "of an older browser on another site is refused",
      { fetchSite: undefined, origin: "https://evil.example" },
      false,
    ],
    ["with an opaque Origin is refused", { fetchSite: undefined, origin: "null" }, false],
    ["that does not say where it comes from is refused", { fetchSite: undefined, origin: undefined }, false],
    ["of another site is refused whatever its Origin", { fetchSite: "cross-site" }, false],
    ["of a neighbour on the same site is refused", { fetchSite: "same-site" }, false],
    ["that a person typed is refused", { fetchSite: "none" }, false],
    ["with a form's content type is refused", { contentType: "text/plain" }, false],
    ["without a content type is refused", { contentType: undefined }, false],
  ];
  for (const [name, change, passes] of cases)
    it(name, () => expect(csrfFault({ ...panel, ...change }) === null).to.equal(passes));
});
