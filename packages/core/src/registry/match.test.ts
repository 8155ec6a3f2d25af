import { expect } from "chai";
import { testRoute, testService } from "../testing/index.ts";
import { explainMatch } from "./explain.ts";
import { inMatchOrder, matchRoute, matchService, routesOfPath } from "./match.ts";
import type { Route, RouteMatch, Service, ServiceMatch } from "./service.ts";

const facts = { host: null, query: null, headers: [] };
const route = (name: string, match: Partial<RouteMatch>): Route =>
  testRoute({ name, match: { methods: [], path: "/", ...match } });
const service = (name: string, match: Partial<ServiceMatch>, routes: readonly Route[] = []): Service =>
  testService({ name, match: { host: null, path: "/", ...match }, routes });

describe("the order of services", () => {
  const services = [
    service("any", {}),
    service("wide", { hosts: ["*.test"] }),
    service("near", { hosts: ["*.shop.test", "shop.test"] }),
    service("exact", { host: "www.shop.test" }),
    service("beta", { headers: { "x-beta": "1" } }),
    service("long", { path: "/api" }),
  ];
  const found = (host: string | null, path = "/", headers: [string, string][] = []): string | undefined =>
    matchService(inMatchOrder(services), host, path, { host, query: null, headers })?.service.name;

  it("is: a name, wildcards (the longer first), any host; then the longer prefix; then more conditions", () => {
    expect(found("www.shop.test")).to.equal("exact");
    expect(found("shop.test")).to.equal("near");
    expect(found("a.shop.test")).to.equal("near");
    expect(found("b.test")).to.equal("wide");
    expect(found("b.example")).to.equal("any");
    expect(found(null)).to.equal("any");
    expect(found(null, "/", [["X-Beta", "1"]])).to.equal("beta");
    expect(found(null, "/api/x", [["X-Beta", "1"]])).to.equal("long");
    expect(found("a.shop.test", "/api/x")).to.equal("near");
  });

  it("where a URL alone is known, what asks for a field is passed over", () => {
    expect(matchService(inMatchOrder(services), null, "/")?.service.name).to.equal("any");
  });
});

describe("the order of routes", () => {
  const one = service("one", {}, [
    route("beta", { methods: ["POST"], path: "/accounts/:id/charges", headers: { "x-beta": "*" } }),
    route("charge", { methods: ["POST"], path: "/accounts/:id/charges" }),
    route("rest", { path: "/accounts" }),
  ]);
  const name = (method: string, path: string, headers: [string, string][] = []): string | undefined =>
    matchRoute(one, method, path, { ...facts, headers })?.name;

  it("is that of the file: the first that matches, pattern or prefix", () => {
    expect(name("POST", "/accounts/7/charges")).to.equal("charge");
    expect(name("POST", "/accounts/7/charges", [["X-Beta", "yes"]])).to.equal("beta");
    expect(name("GET", "/accounts/7/charges")).to.equal("rest");
    expect(name("POST", "/accounts/7/charges/1")).to.equal("rest");
    expect(name("POST", "/other")).to.equal(undefined);
  });

  it("without facts, a route that asks for more is passed over; of a path, all are told", () => {
    expect(matchRoute(one, "POST", "/accounts/7/charges")?.name).to.equal("charge");
    expect(routesOfPath(one, "POST", "/accounts/7/charges").map((found) => found.name)).to.deep.equal([
      "beta",
      "charge",
      "rest",
    ]);
  });

  it("is explained, with what each other route lacks", () => {
    const hosted = service("hosted", { host: "a.test" });
    const told = explainMatch([hosted, one], "POST", "/accounts/7/charges", facts);
    expect(told.services.map(({ of, outcome }) => [of.name, outcome])).to.deep.equal([
      ["hosted", "host"],
      ["one", "taken"],
    ]);
    expect(told.routes.map(({ of, outcome }) => [of.name, outcome])).to.deep.equal([
      ["beta", "header x-beta"],
      ["charge", "taken"],
      ["rest", "later"],
    ]);
    expect(explainMatch([hosted], "GET", "/", facts)).to.include({ service: null, route: null, path: null });
    const get = explainMatch([one], "GET", "/x", facts);
    expect(get.route).to.equal(null);
    expect(get.routes.map(({ outcome }) => outcome)).to.deep.equal(["method", "method", "path"]);
  });
});

describe("a prefix that is not stripped", () => {
  const grafana = service("grafana", { path: "/grafana", strip: false }, [
    route("api", { path: "/grafana/api" }),
    route("below", { path: "/api" }),
  ]);

  it("chooses the service, which and whose routes see the whole path", () => {
    const found = (path: string) => matchService(inMatchOrder([grafana]), null, path);
    expect(found("/grafana/api/x")?.path).to.equal("/grafana/api/x");
    expect(found("/grafana")?.path).to.equal("/grafana");
    expect(found("/api")).to.equal(null);
    expect(matchRoute(grafana, "GET", "/grafana/api/x")?.name).to.equal("api");
    const explained = explainMatch([grafana], "GET", "/grafana/api/x", facts);
    expect([explained.path, explained.route?.name]).to.deep.equal(["/grafana/api/x", "api"]);
  });
});
