/** Nothing is offered that nobody reads: each entry of the configuration is read by code that runs. */
import { join } from "node:path";
import { describeConfig } from "@sticky-proxy/runtime";
import { expect } from "chai";
import { readSources } from "../architecture/sources.ts";

/** Declares and checks the entries; what only stands here is read by nobody. */
const declaring =
  /^packages\/runtime\/src\/config\/|^packages\/core\/src\/registry\/service\.ts$|^packages\/testkit\//;

/** Read, but not by their own name outside the declaring files. */
const exceptions: Readonly<Record<string, string>> = {
  "authentication.methods[].apiKey": "the name becomes the method's type",
  "authentication.methods[].jwt": "the name becomes the method's type",
  "authentication.methods[].forwardAuth": "the name becomes the method's type",
  "authentication.methods[].clientCertificate": "the name becomes the method's type",
  "services.<name>.routes[].process.resultTtlMs.2xx": "read by class, resultTtlMs[statusClass]",
  "services.<name>.routes[].process.resultTtlMs.3xx": "read by class, resultTtlMs[statusClass]",
  "services.<name>.routes[].process.resultTtlMs.4xx": "read by class, resultTtlMs[statusClass]",
  "services.<name>.routes[].process.resultTtlMs.5xx": "read by class, resultTtlMs[statusClass]",
  "admin.trustedHeader.viewer": "read by role, map[role]",
  "redis.sentinels.master": "config/redis-target.ts hands it to the store as `name`",
  "retention.timelineEntries": "config/store-settings.ts hands it to the store as `timelineLength`",
  "services.<name>.callbackAuth.insecure": "a confirmation: without it config/relations.ts refuses mode none",
};

const code = readSources(join(import.meta.dirname, "../.."))
  .filter(({ file, isTest }) => !isTest && !declaring.test(file))
  .map((source) => source.code);

const nameOf = (path: string): string => path.replaceAll("[]", "").split(".").at(-1)!;

/** As a member of something, or taken apart. */
function isRead(name: string): boolean {
  const reading = new RegExp(`\\.${name}\\b|[{,]\\s*${name}\\s*[,}:=]`);
  return code.some((text) => reading.test(text));
}

describe("the configuration", () => {
  const entries = describeConfig().map(({ path }) => path);

  it("has no entry that no code reads, but for those listed with a reason", () => {
    const unread = entries.filter((path) => !isRead(nameOf(path)));
    expect(unread.filter((path) => exceptions[path] === undefined)).to.deep.equal([]);
  });

  it("lists no exception that is read after all, or is no entry", () => {
    const needless = Object.keys(exceptions).filter(
      (path) => !entries.includes(path) || isRead(nameOf(path)),
    );
    expect(needless).to.deep.equal([]);
  });

  it("would notice an entry that nobody reads", () => {
    expect(isRead("colourOfTheGateway")).to.equal(false);
    expect(isRead("maxWaiters")).to.equal(true);
  });
});
