import { expect } from "chai";
import { identityHost } from "./host.ts";
import { inMatchOrder, matchService } from "./match.ts";
import type { Service } from "./service.ts";

const aliases = new Map([
  ["www.shop.test", "shop.test"],
  ["shop.internal", "shop.test"],
]);
const service = { preserveHost: true, match: { host: null, path: "/" }, hostAliases: aliases };

describe("the host in the identity of a request", () => {
  it("the dot at the end of a full name changes nothing", () => {
    const open = { hostAliases: new Map(), preserveHost: true, match: { host: null, path: "/" } };
    expect(identityHost(open, "a.test.")).to.equal(identityHost(open, "a.test"));
    expect(identityHost(open, "a.test.:81")).to.equal("a.test");
  });

  it("tells two hosts of a service apart that is told the host", () => {
    expect(identityHost(service, "north.test")).not.to.equal(identityHost(service, "south.test"));
  });

  it("is the same at every port, so that a key that comes again at another replica's port runs once", () => {
    expect(identityHost(service, "north.test:8080")).to.equal("north.test");
    for (const host of ["localhost:3000", "127.0.0.1:3001", "[::1]:3002", "LOCALHOST"])
      expect(identityHost(service, host), host).to.equal("localhost");
  });

  it("is one for a host and its declared aliases, however it is spelled", () => {
    for (const host of [
      "shop.test",
      "SHOP.test:80",
      "www.shop.test",
      "Www.Shop.Test:8443",
      "shop.internal.",
      "shop.internal:443",
    ])
      expect(identityHost(service, host), host).to.equal("shop.test");
  });

  it("is nothing where the service is not told the host, or has one", () => {
    expect(identityHost({ ...service, preserveHost: false }, "north.test")).to.equal("");
    expect(identityHost({ ...service, match: { host: "shop.test", path: "/" } }, "www.shop.test")).to.equal(
      "",
    );
  });

  it("a service that is matched by its host is matched by its aliases too", () => {
    const shop = { ...service, name: "shop", match: { host: "shop.test", path: "/" } } as unknown as Service;
    expect(matchService(inMatchOrder([shop]), "www.shop.test", "/")?.service.name).to.equal("shop");
    expect(matchService(inMatchOrder([shop]), "mail.shop.test", "/")).to.equal(null);
  });
});
