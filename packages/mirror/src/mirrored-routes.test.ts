import { createTestWorld } from "@sticky-proxy/core/testing";
import { blankRecord, createRuleBook, readPin } from "@sticky-proxy/core/process";
import type { MirrorPolicy, Route, Service } from "@sticky-proxy/core/registry";
import { expect } from "chai";
import { mirrorRoutes, pinnedMirrorRoutes } from "./mirrored-routes.ts";

const world = createTestWorld();
const policy = { to: "archive", mode: "dual-write", maxAgeMs: 1 } as unknown as MirrorPolicy;
const route = (name: string, mirror: MirrorPolicy | null): Route => ({
  ...world.route,
  name,
  mirror,
  match: { methods: ["POST"], path: "/" },
});
const letters = (...routes: Route[]): Service => ({ ...world.service, name: "letters", routes });
const archive: Service = { ...world.service, name: "archive", routes: [] };

/** Where the copy of a process goes that began with the mirrored route `POST /`, by another file. */
function find(today: readonly Service[]) {
  const begun = letters(route("POST /", policy));
  const [pin] = [
    ...createRuleBook(() => [begun, archive])
      .pins()
      .values(),
  ];
  const rules = createRuleBook(() => today, {
    get: (digest) => (digest === pin!.digest ? readPin(pin!.text) : null),
  });
  return pinnedMirrorRoutes(
    () => today,
    rules,
  )({
    ...blankRecord,
    service: "letters",
    route: "POST /",
    operation: "POST /new",
    identity: "key",
    rules: pin!.digest,
  });
}

describe("where a copy goes by the rules that its process began with", () => {
  it("to the second service of today's file, when an edit has renamed its route", () => {
    const found = find([letters(route("POST,PUT /", null)), archive]);
    expect([found?.secondary, found?.policy]).to.deep.equal([archive, policy]);
    expect(find([letters(), archive])?.route.name).to.equal("POST /");
  });

  it("nowhere, where today's file lacks one of the services or has the route without a mirror", () => {
    expect(find([])).to.equal(null);
    expect(find([archive])).to.equal(null);
    expect(find([letters()])).to.equal(null);
    expect(find([letters(route("POST /", null)), archive])).to.equal(null);
  });

  it("and by today's names, nowhere while the mirror is off", () => {
    const by = (mirror: MirrorPolicy) =>
      mirrorRoutes(() => [letters(route("POST /", mirror)), archive])("letters", "POST /");
    expect(by(policy)?.secondary).to.equal(archive);
    expect(by({ ...policy, mode: "off" })).to.equal(null);
  });
});
