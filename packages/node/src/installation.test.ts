import { loadConfig, type Config } from "@sticky-proxy/runtime";
import { expect } from "chai";
import { installationOf, strangeness } from "./installation.ts";

function of(services: string, installation?: string): ReturnType<typeof installationOf> {
  const named = installation === undefined ? "" : `, installation: ${installation}`;
  const yaml = `redis: { url: "redis://r"${named} }\nservices: { ${services} }`;
  const loaded = loadConfig({ yaml, env: {}, flags: {}, node: "n" });
  if (!loaded.ok) throw new Error(loaded.errors.join("; "));
  return installationOf(loaded.config satisfies Config);
}
const origin = (port: number): string => `origin: { instances: ["http://127.0.0.1:${port}"] }`;

describe("replicas on one prefix", () => {
  it("with the same service at other instances are strangers", () => {
    expect(strangeness(of(origin(1)), of(origin(2)))).to.equal(
      'it has a service "origin" with other instances',
    );
    expect(strangeness(of(origin(1)), of(origin(1)))).to.equal(null);
    const both = `origin: { instances: ["http://127.0.0.1:1", "http://127.0.0.1:2"] }`;
    expect(strangeness(of(both), of(origin(2))), "an instance in common").to.equal(null);
    expect(strangeness(of(origin(1)), of(`pay: { instances: ["http://127.0.0.1:2"] }`))).to.equal(null);
  });

  it("with names: the names decide", () => {
    expect(strangeness(of(origin(1), "a"), of(origin(1), "b"))).to.equal('it is of installation "b"');
    expect(strangeness(of(origin(1), "a"), of(origin(2), "a"))).to.equal(null);
    expect(strangeness(of(origin(1), "a"), of(origin(1)))).to.equal(null);
    expect(strangeness(of(origin(1)), of(origin(2), "b"))).to.include("other instances");
  });

  it("of an older version, which tell neither, are not judged", () => {
    expect(strangeness(of(origin(1), "a"), {})).to.equal(null);
  });
});
