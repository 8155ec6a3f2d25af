/** The README's walk-through on the command line: one gateway, two backends, curl, and what `mirror` says. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startDemo, type Demo } from "@sticky-proxy/demo";
import { describeWithRedis, startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { stringify } from "yaml";

const cli = join(import.meta.dirname, "../../services/cli/src/cli.ts");

describeWithRedis("mirroring from the command line", function () {
  this.timeout(60_000);
  let redis: TestRedis;
  let dir: string;
  let v1: Demo;
  let v2: Demo;
  let gateway: ChildProcess;
  let url: string;
  let opsUrl: string;

  beforeEach(async () => {
    redis = await startRedis();
    dir = mkdtempSync(join(tmpdir(), "sticky-mirror-"));
    v1 = await startDemo({ port: 0 }, { hashMemoryKib: 64, name: "v1", usersVersion: 1 });
    v2 = await startDemo(
      { port: 0 },
      { hashMemoryKib: 64, name: "v2", usersVersion: 2, usersDifference: true },
    );
  });
  afterEach(async () => {
    gateway.kill("SIGINT");
    await once(gateway, "exit");
    await Promise.all([v1.close(), v2.close(), redis.stop()]);
    rmSync(dir, { recursive: true, force: true });
  });

  async function serve(...args: string[]): Promise<void> {
    gateway = spawn(process.execPath, [cli, "serve", "--port", "0", "--ops-port", "0", ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, REDIS_URL: redis.url },
    });
    let text = "";
    for await (const chunk of gateway.stderr! as AsyncIterable<Buffer>) {
      text += chunk.toString();
      const ready = /listening on (\S+) \(ops (\S+),/.exec(text);
      if (ready !== null) {
        [url, opsUrl] = [ready[1]!, ready[2]!];
        gateway.stderr!.resume();
        return;
      }
    }
    throw new Error(text);
  }
  /** What the command prints, and its exit code. */
  async function mirror(...args: string[]): Promise<{ code: number; out: string }> {
    const child = spawn(process.execPath, [cli, "mirror", ...args, "--redis", redis.url], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    return { code, out };
  }
  /** Exit code and complaints of a command whose reader has gone. */
  async function unread(...args: string[]): Promise<[code: number, complaints: string]> {
    const child = spawn(process.execPath, [cli, "mirror", ...args, "--redis", redis.url], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let text = "";
    child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    return [code, text];
  }
  async function json<T>(...args: string[]): Promise<T> {
    return JSON.parse((await mirror(...args, "--json")).out) as T;
  }
  async function covered(settled: number): Promise<Record<string, number>> {
    for (let tries = 0; tries < 60; tries++) {
      const { coverage } = await json<{ coverage: Record<string, number>[] }>("coverage");
      const sum: Record<string, number> = {};
      for (const row of coverage) {
        for (const [name, count] of Object.entries(row)) {
          if (typeof count === "number") sum[name] = (sum[name] ?? 0) + count;
        }
      }
      if ((sum["eligible"] ?? 0) >= settled && sum["pending"] === 0) return sum;
      await delay(100);
    }
    throw new Error("not covered in time");
  }
  const create = (email: string): Promise<Response> =>
    fetch(`${url}/users`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: "Ann", email, password: "correct horse" }),
    });

  it("a user is created once, seen in both, and the introduced difference is found, shown and acknowledged", async () => {
    const compare = { ignore: ["/created_at", "/updated_at"] };
    const orderKey = { path: "/users" };
    const services = {
      users: {
        instances: [v1.url],
        match: { path: "/" },
        routes: [
          {
            match: { methods: ["POST", "PUT", "PATCH", "DELETE"] },
            mirror: { to: "users-v2", mode: "dual-write", orderKey, compare },
          },
        ],
      },
      "users-v2": { instances: [v2.url], match: "none" },
    };
    const file = join(dir, "sticky.yaml");
    writeFileSync(file, stringify({ services }, { aliasDuplicateObjects: false }));
    await serve("--config", file);

    expect((await create("Ann@Example.com")).status).to.equal(201);
    expect(await covered(1)).to.include({ eligible: 1, different: 1 });
    const second = (await (await fetch(`${v2.url}/users/1`)).json()) as { email: string };
    expect(second.email).to.equal("ann@example.com");

    const { differences } = await json<{ differences: { id: string; edits: { path: string }[] }[] }>(
      "differences",
    );
    expect(differences).to.have.length(1);
    expect(differences[0]!.edits.map(({ path }) => path)).to.deep.equal(["/email"]);
    const { id } = differences[0]!;
    expect(
      (await json<{ sides: { primary: { status: number } } }>("show", id)).sides.primary.status,
    ).to.equal(201);
    expect((await mirror("differences")).out).to.contain('/email "Ann@Example.com" / "ann@example.com"');
    const { groups } = await json<{ groups: { path: string; count: number }[] }>("groups");
    expect(groups[0]).to.include({ path: "/email", count: 1 });
    expect(await unread("differences"), "as in mirror differences | head -0").to.deep.equal([0, ""]);
    expect((await mirror("ack", id, "--by", "ann", "--note", "v2 lowers addresses")).code).to.equal(0);
    expect(await json("differences")).to.deep.equal({ differences: [], next: null });
    expect((await mirror("export", "--all")).out.trim().split("\n")).to.have.length(1);
    expect(await json("parked")).to.deep.equal({ parked: [] });

    const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
    expect(metrics).to.match(/sticky_proxy_mirror_total\{service="users",result="different"\} 1/);
    expect(metrics).to.match(/sticky_proxy_mirror_differences_total\{service="users",class="body"\} 1/);
    expect(metrics).to.contain("# TYPE sticky_proxy_mirror_lag_seconds gauge");
    for (const side of ["primary", "secondary"]) {
      expect(metrics).to.contain(
        `sticky_proxy_mirror_latency_seconds_count{service="users",side="${side}"} 1`,
      );
    }
    expect(metrics).to.contain("# TYPE sticky_proxy_mirror_outbox_entries gauge");
    expect(metrics).to.contain("# TYPE sticky_proxy_mirror_parked_keys gauge");
  });

  it("the quick form needs no file: writes go to both durably, reads are compared", async () => {
    await serve("--origin", v1.url, "--mirror", v2.url);
    expect((await create("bob@example.com")).status).to.equal(201);
    await covered(1);
    expect((await fetch(`${v2.url}/users/1`)).status).to.equal(200);
    await (await fetch(`${url}/users/1`)).text();
    const sum = await covered(2);
    expect(sum).to.include({ eligible: 2, failed: 0 });
    const { groups } = await json<{ groups: { path: string }[] }>("groups");
    expect(groups.map(({ path }) => path)).to.include.members(["/created_at"]);
  });
});
