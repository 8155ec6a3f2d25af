import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readSources } from "./read-sources.ts";

describe("reading configuration sources", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "sticky-config-"));
    writeFileSync(join(folder, "sticky.yaml"), "port: 1\n");
    writeFileSync(join(folder, "secret"), "from-a-file\n");
  });
  after(() => rmSync(folder, { recursive: true }));

  const read = (flags: Record<string, string>, env: Record<string, string> = {}) => readSources(flags, env);

  it("reads the file that the flag names, else the environment's", () => {
    const path = join(folder, "sticky.yaml");
    for (const result of [read({ config: path }), read({}, { STICKY_CONFIG: path })])
      expect(result.ok && result.sources.yaml).to.equal("port: 1\n");
    expect(read({}, { STICKY_CONFIG: "" })).to.have.nested.property("sources.yaml", null);
  });

  it("says which file is missing and who named it", () => {
    expect(read({}, { STICKY_CONFIG: "/nowhere/sticky.yaml" })).to.deep.equal({
      ok: false,
      errors: ["STICKY_CONFIG: /nowhere/sticky.yaml: there is no such file"],
    });
    expect(read({ config: folder })).to.deep.equal({
      ok: false,
      errors: [`--config: ${folder}: it is a folder`],
    });
    const binary = join(folder, "binary");
    writeFileSync(binary, Buffer.from([0x23, 0xff]));
    expect(read({ config: binary })).to.deep.equal({
      ok: false,
      errors: [`--config: ${binary}: it is not UTF-8`],
    });
  });

  it("NAME_FILE gives the file's text, without its last line break, as NAME", () => {
    const path = join(folder, "secret");
    const result = read(
      {},
      { STICKY_SECRET_PAY_FILE: path, REDIS_URL_FILE: path, SSL_CERT_FILE: "/nowhere" },
    );
    expect(result.ok && result.sources.env).to.include({
      STICKY_SECRET_PAY: "from-a-file",
      REDIS_URL: "from-a-file",
    });
    expect(result.ok && result.sources.env).to.not.have.property("SSL_CERT");
  });

  it("refuses a secret that is given twice", () => {
    expect(
      read({}, { STICKY_SECRET_PAY_FILE: join(folder, "secret"), STICKY_SECRET_PAY: "x" }),
    ).to.deep.equal({
      ok: false,
      errors: ["STICKY_SECRET_PAY_FILE: STICKY_SECRET_PAY is set too; give one of the two"],
    });
  });

  it("names each start of a node anew: a restarted node must not pass for its predecessor", () => {
    const nodes = [read({}), read({})].map((result) => (result.ok ? result.sources.node : ""));
    expect(nodes[0]).to.match(/^[a-z0-9][a-z0-9.-]*-[0-9a-f]{8}$/);
    expect(nodes[0]).to.not.equal(nodes[1]);
  });
});
