import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { expect } from "chai";
import { freePorts } from "../support/ports.ts";
import { until } from "./runner.ts";

const file = path.join(import.meta.dirname, "../../infra/haproxy/haproxy.cfg");
const haproxy = process.env.STICKY_TEST_HAPROXY ?? "haproxy";

/** A replica as the balancer sees it: its name in every answer, and an ops port that can turn unready. */
interface Replica {
  readonly name: string;
  readonly data: Server;
  readonly ops: Server;
  isReady: boolean;
  /** Cut the connection after the request has come, without an answer. */
  isCutting: boolean;
  readonly seen: string[];
}

describe("the HAProxy configuration", () => {
  let replicas: Replica[] = [];
  let balancer: ChildProcess | null = null;

  afterEach(async () => {
    if (balancer?.kill("SIGKILL")) await once(balancer, "exit");
    balancer = null;
    for (const { data, ops } of replicas) {
      for (const server of [data, ops]) {
        server.close();
        server.closeAllConnections();
      }
    }
    replicas = [];
  });

  /** Three replicas behind a balancer that has seen all of them ready. Returns its base URL. */
  async function cluster(): Promise<string> {
    replicas = await Promise.all(["proxy-1", "proxy-2", "proxy-3"].map((name) => replica(name)));
    const [port, opsPort] = await freePorts(2);
    const env: Record<string, string> = {
      BALANCER_BIND: `127.0.0.1:${port}`,
      BALANCER_OPS_BIND: `127.0.0.1:${opsPort}`,
    };
    replicas.forEach(({ data, ops }, i) => {
      env[`PROXY_${i + 1}`] = `127.0.0.1:${portOf(data)}`;
      env[`PROXY_${i + 1}_OPS_PORT`] = String(portOf(ops));
    });
    balancer = spawn(haproxy, ["-db", "-f", file], { env: { ...process.env, ...env }, stdio: "ignore" });
    const base = `http://${env.BALANCER_BIND}`;
    await until(async () => (await answer(base, "/warm-up")) !== null);
    return base;
  }

  it("is valid with the containers' names and with addresses from the environment", () => {
    const check = spawnSync(haproxy, ["-c", "-f", file], { encoding: "utf8" });
    expect(check.status, check.stderr).to.equal(0);
    const env = {
      ...process.env,
      BALANCER_BIND: "127.0.0.1:1",
      PROXY_1: "127.0.0.1:2",
      PROXY_1_OPS_PORT: "3",
    };
    expect(spawnSync(haproxy, ["-c", "-f", file], { env }).status).to.equal(0);
    const wrong = spawnSync(haproxy, ["-c", "-f", file], {
      env: { ...env, BALANCER_BIND: "127.0.0.1:many" },
    });
    expect(wrong.status).to.not.equal(0);
  });

  it("spreads requests over all replicas", async () => {
    const base = await cluster();
    const names = new Set<string | null>();
    await until(async () => names.add(await answer(base, "/")).size === 3);
    expect([...names]).to.have.members(["proxy-1", "proxy-2", "proxy-3"]);
  });

  it("sends nothing more to a replica that is draining, and all to the others", async () => {
    const base = await cluster();
    const draining = replicas[0]!;
    draining.isReady = false;
    // Two failed checks; then requests by the dozen, none of which may reach it.
    await until(async () => {
      const before = draining.seen.length;
      for (let i = 0; i < 12; i += 1) await answer(base, "/probing");
      return draining.seen.length === before;
    });
    const names = await Promise.all(Array.from({ length: 30 }, () => answer(base, "/after")));
    expect(new Set(names)).to.deep.equal(new Set(["proxy-2", "proxy-3"]));
  });

  it("never sends a request again that a replica may have begun", async () => {
    const base = await cluster();
    for (const each of replicas) each.isCutting = true;
    const response = await fetch(`${base}/charge`, { method: "POST", body: "{}" });
    expect(response.status).to.equal(502);
    expect(replicas.flatMap(({ seen }) => seen).filter((url) => url === "/charge")).to.have.lengthOf(1);
  });

  it("tries another replica when a connection could not be made", async () => {
    const base = await cluster();
    const gone = replicas[1]!;
    gone.data.close();
    gone.data.closeAllConnections();
    const names = await Promise.all(Array.from({ length: 30 }, () => answer(base, "/gone")));
    expect(new Set(names)).to.deep.equal(new Set(["proxy-1", "proxy-3"]));
  });
});

async function replica(name: string): Promise<Replica> {
  const data = createServer((request, response) => {
    it.seen.push(request.url ?? "");
    if (it.isCutting) request.socket.destroy();
    else response.setHeader("connection", "close").end(name);
  });
  const ops = createServer((request, response) => {
    const isOk = it.isReady && request.url === "/readyz" && request.method === "GET";
    response.writeHead(isOk ? 200 : 503).end();
  });
  const it: Replica = { name, data, ops, isReady: true, isCutting: false, seen: [] };
  for (const server of [data, ops]) await once(server.listen(0, "127.0.0.1"), "listening");
  return it;
}

/** Who answered; null: nobody. */
async function answer(base: string, target: string): Promise<string | null> {
  const response = await fetch(base + target).catch(() => null);
  return response?.ok ? response.text() : null;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
