import { expect } from "chai";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../cli.ts";
import { exitCodes } from "../command.ts";

const yaml = `
services:
  bank:
    instances: [http://127.0.0.1:4001]
    routes:
      - { match: { methods: [POST], path: "/clients/:id/orders", headers: { x-beta: "*" } }, name: beta }
      - { match: { methods: [POST], path: "/clients/:id/orders" }, process: { identity: key } }
      - { match: { path: /files }, encodedSlash: true }
  shop: { instances: [http://127.0.0.1:4002], match: { host: ["*.shop.test"], path: / } }
`;

describe("explain", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "sticky-explain-"));
    writeFileSync(join(folder, "sticky.yaml"), yaml);
  });
  after(() => rmSync(folder, { recursive: true }));

  async function explain(...args: readonly string[]) {
    const out: string[] = [];
    const err: string[] = [];
    const io = { out: (line: string) => out.push(line), err: (line: string) => err.push(line), env: {} };
    const code = await runCli(["explain", ...args, "--config", join(folder, "sticky.yaml")], io);
    return { code, out: out.join("\n"), err: err.join("\n") };
  }

  it("names service, route, path and policy, and what every other route lacks", async () => {
    const { code, out } = await explain("POST", "/bank/clients/7/orders?x=1");
    expect(code).to.equal(exitCodes.ok);
    expect(out)
      .to.match(/^service {2}bank$/m)
      .and.match(/^route {4}POST \/clients\/:id\/orders$/m);
    expect(out)
      .to.match(/^policy {3}process \(identity key/m)
      .and.match(/^path {5}\/clients\/7\/orders /m);
    expect(out)
      .to.match(/route beta .*: lacks header x-beta/)
      .and.match(/route \* \/files .*: another path/);
    expect(out).to.match(/service shop: another host/);
  });

  it("takes fields and hosts, and prints JSON for scripts", async () => {
    const beta = await explain("POST", "/bank/clients/7/orders", "--header", "X-Beta: 1", "--json");
    expect(JSON.parse(beta.out)).to.include({ service: "bank", route: "beta" });
    const shop = JSON.parse((await explain("GET", "http://a.shop.test:8080/x", "--json")).out) as object;
    expect(shop).to.deep.include({ service: "shop", route: null, path: "/x", policy: ["plain"] });
    const hosted = await explain("GET", "/x", "--header", "Host: A.shop.test.:80", "--json");
    expect(JSON.parse(hosted.out)).to.include({ service: "shop" });
  });

  it("fails where no service takes the request, and where the path is refused", async () => {
    for (const [url, said] of [
      ["/none", /404 service-not-found/],
      ["/bank/a%2Fb", /encoded slash/],
      ["/bank/../a", /dot segment/],
      ["/_sticky/processes/x", /the gateway answers/],
    ] as const) {
      const { code, out } = await explain("GET", url);
      expect([code, out]).to.satisfy(([, text]: [number, string]) => said.test(text), url);
      expect(code, url).to.equal(exitCodes.failed);
    }
    expect((await explain("GET", "/bank/files/a%2Fb")).code).to.equal(exitCodes.ok);
  });

  it("wrong arguments are told", async () => {
    for (const args of [["GET"], ["get", "/"], ["GET", "/", "--header", "x"], []])
      expect((await explain(...args)).code, args.join(" ")).to.equal(exitCodes.usage);
  });
});
