import { defaultCachePolicy } from "./policy.ts";
import { expect } from "chai";
import type { HeaderList } from "../http/message.ts";
import { isOtherVariant, mayReuseCollapsed } from "./collapsed.ts";
import type { StoredMetadata } from "./stored-metadata.ts";
import { variantOf } from "./variant.ts";

const byLanguage = variantOf([["accept-language", "de"]], ["accept-language"]);

const response = {
  headers: [],
  varyNames: ["accept-language"],
  variant: byLanguage,
  generation: 5,
  responseAt: 0,
  initialAgeMs: 0,
  lifetimeMs: 10_000,
  noCache: false,
  sharedWithAuthorization: false,
} as unknown as StoredMetadata;

const german: HeaderList = [["Accept-Language", "de"]];
const authorized: HeaderList = [...german, ["Authorization", "Basic eDp5"]];

interface Case {
  readonly what: string;
  readonly reused: boolean;
  readonly headers?: HeaderList;
  readonly changes?: Partial<StoredMetadata>;
  readonly minGeneration?: number | null;
  readonly now?: number;
}

const cases: readonly Case[] = [
  { what: "fresh and selected by the request", reused: true },
  { what: "at the end of its lifetime", reused: false, now: 10_000 },
  { what: "just before the end of its lifetime", reused: true, now: 9_999 },
  { what: "stored with no-cache", reused: false, changes: { noCache: true } },
  { what: "another variant", reused: false, headers: [["Accept-Language", "fr"]] },
  { what: "with Set-Cookie", reused: false, changes: { headers: [["Set-Cookie", "a=b"]] } },
  { what: "fetched since before a purge", reused: false, minGeneration: 6 },
  { what: "fetched since the last purge", reused: true, minGeneration: 5 },
  { what: "fetched while the look-up was not answered", reused: true, minGeneration: null },
  { what: "not shared with Authorization, to a request that has it", reused: false, headers: authorized },
  {
    what: "shared with Authorization, to a request that has it",
    reused: true,
    headers: authorized,
    changes: { sharedWithAuthorization: true },
  },
];

describe("the response to another request answers a collapsed one", () => {
  for (const { what, reused, headers = german, changes, minGeneration = 0, now = 0 } of cases) {
    it(`${reused ? "if" : "not if"} it is ${what}`, () => {
      const given = { ...response, ...changes };
      expect(mayReuseCollapsed({ headers }, given, defaultCachePolicy(), minGeneration, now)).to.equal(
        reused,
      );
    });
  }
});

describe("the response to another request is another variant", () => {
  for (const { what, headers, changes, other } of [
    { what: "the request has another value", headers: [["Accept-Language", "fr"]], other: true },
    { what: "the request lacks the field", headers: [], other: true },
    { what: "the request has the same value", headers: german, other: false },
    {
      what: "there are none",
      headers: [["Accept-Language", "fr"]],
      changes: { varyNames: [], variant: "" },
      other: false,
    },
  ] satisfies { what: string; headers: HeaderList; changes?: Partial<StoredMetadata>; other: boolean }[]) {
    it(`${other ? "where" : "not where"} ${what}`, () => {
      expect(isOtherVariant({ headers }, { ...response, ...changes })).to.equal(other);
    });
  }
});
