import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createTlsFiles, TlsFilesUnusable } from "./tls-files.ts";

describe("the files of TLS with a service", () => {
  const policy = { cert: null, key: null, serverName: null, minVersion: "TLSv1.2" } as const;
  let folder: string;
  let ca: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sticky-tls-"));
    ca = join(folder, "ca.pem");
    writeFileSync(ca, "one");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("are read again after 5 s; the same object stands for the same contents", () => {
    let now = 0;
    const filesOf = createTlsFiles(() => now);
    const first = filesOf({ ...policy, ca });
    expect(first.ca!.toString()).to.equal("one");
    now = 5000;
    expect(filesOf({ ...policy, ca })).to.equal(first);
    writeFileSync(ca, "two");
    now = 9999;
    expect(filesOf({ ...policy, ca }), "still fresh").to.equal(first);
    now = 10_000;
    expect(filesOf({ ...policy, ca }).ca!.toString()).to.equal("two");
  });

  it("that cannot be read are named", () => {
    const filesOf = createTlsFiles(() => 0);
    const absent = join(folder, "absent.pem");
    expect(() => filesOf({ ...policy, ca: absent })).to.throw(
      TlsFilesUnusable,
      `${absent} cannot be read: ENOENT`,
    );
  });
});
