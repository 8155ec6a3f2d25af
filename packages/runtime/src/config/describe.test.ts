import { expect } from "chai";
import { configReference, describeConfig } from "./describe.ts";
import { schema } from "./schema.ts";

describe("configuration reference", () => {
  const rows = new Map(describeConfig().map((row) => [row.path, row]));

  it("tells path, type, default and meaning of an entry", () => {
    expect(rows.get("port")).to.deep.equal({
      path: "port",
      type: "integer",
      initial: "8080",
      about: "Port of the data plane; 0: any free one.",
    });
    expect(rows.get("services.<name>.routes[].process.leaseMs")).to.include({
      type: "integer (ms)",
      initial: "30000",
    });
    expect(rows.get("services.<name>.routes[].process.identity")).to.include({
      type: "one of: request, key, none",
      initial: "required",
    });
    expect(rows.get("services.<name>.routes[].process.waitMs")?.initial).to.match(/^0 for identity request/);
  });

  it("is sections of tables that hold every row once, none broken by what stands in it", () => {
    const reference = configReference();
    const told: string[] = [];
    let section = "";
    for (const line of reference.split("\n")) {
      const [, heading] = /^### `(.+)`$/.exec(line) ?? [];
      if (heading !== undefined) section = heading;
      const [, name] = /^\| `(.+?)` \|/.exec(line) ?? [];
      if (name === undefined) continue;
      told.push(section === "" ? name : `${section}.${name}`);
      expect(line.match(/(?<!\\)\|/g), line).to.have.length(5);
    }
    expect(reference).to.contain("http://127.0.0.1:\\<port>").and.contain('"\\*" is one token');
    const introduced = [...rows.keys()].filter((path) => reference.includes(`### \`${path}\`\n`));
    expect(introduced).to.include.members(["redis", "services.<name>.routes[].process"]);
    expect([...told, ...introduced]).to.have.members([...rows.keys()]);
  });

  it("has a row for every entry of the schema: none is without a description", () => {
    const missing: string[] = [];
    const look = (path: string, node: { keys?: object; flags?: { description?: string } }): void => {
      for (const [name, child] of Object.entries((node.keys ?? {}) as Record<string, typeof node>)) {
        // `headers.request` holds nothing but `set`, which is described.
        if (child.flags?.description === undefined && child.keys === undefined)
          missing.push(`${path}${name}`);
        look(`${path}${name}.`, child);
      }
    };
    look("", schema.joi.describe());
    expect(missing).to.deep.equal([]);
    expect(rows.size).to.be.greaterThan(150);
  });
});
