/** A gateway that may open few files only: what it accepts is answered, and its ops port answers always. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { FakeUpstream, startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";

const cli = join(import.meta.dirname, "../../services/cli/src/cli.ts");

interface Gateway {
  readonly child: ChildProcess;
  readonly url: string;
  readonly opsUrl: string;
  /** Resolves with the first log line of the event. */
  logged(event: string): Promise<Record<string, unknown>>;
}

/** `descriptors` null: as many as the system gives. */
async function serve(
  redis: TestRedis,
  descriptors: number | null,
  args: readonly string[],
): Promise<Gateway> {
  const limited = descriptors === null ? "" : `ulimit -n ${descriptors} && `;
  const child = spawn("sh", ["-c", `${limited}exec "$0" "$@"`, process.execPath, cli, "serve", ...args], {
    env: { PATH: process.env.PATH, REDIS_URL: redis.url },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let changed = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      changed.resolve();
      changed = Promise.withResolvers();
    });
  }
  const ended = once(child, "exit").then(() => Promise.reject(new Error(`it ended:\n${said}`)));
  ended.catch(() => undefined);
  const found = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(said);
      if (match !== null) return match;
      await Promise.race([changed.promise, ended]);
    }
  };
  const [, url, opsUrl] = await found(/listening on (\S+) \(ops (\S+),/);
  return {
    child,
    url: url!,
    opsUrl: opsUrl!,
    async logged(event) {
      const [line] = await found(new RegExp(`^\\{.*"msg":"${event.replace(".", "\\.")}".*\\}$`, "m"));
      return JSON.parse(line) as Record<string, unknown>;
    },
  };
}

describe("file descriptors of the gateway", function () {
  this.timeout(60_000);
  const open: Socket[] = [];
  let redis: TestRedis;
  let upstream: FakeUpstream;
  let gateway: Gateway | null = null;

  before(async () => {
    redis = await startRedis();
    upstream = await FakeUpstream.start();
  });

  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy();
    if (gateway?.child.kill("SIGKILL") === true) await once(gateway.child, "exit");
    gateway = null;
  });

  after(() => Promise.all([redis.stop(), upstream.close()]));

  it("when there are few, it warns at start, drops what does not fit, says so once, and stays alive", async () => {
    const args = ["--origin", upstream.origin, "--port", "0", "--ops-port", "0", "--admin-port", "0"];
    const served = (gateway = await serve(redis, 200, args));
    const warned = await served.logged("descriptors.too-few");
    expect(warned).to.include({ level: "warn", descriptors: 200, max_connections: 10_000 });
    const accepted = warned["accepted"] as number;
    expect(accepted).to.be.greaterThan(0);
    const { hostname, port } = new URL(served.url);
    const connections = await Promise.all(
      Array.from({ length: 250 }, async () => {
        const socket = connect({ host: hostname, port: Number(port) });
        open.push(socket);
        socket.on("error", () => undefined);
        await Promise.race([once(socket, "connect"), once(socket, "close")]);
        return socket;
      }),
    );
    const dropped = await served.logged("descriptors.connections-dropped");
    expect(dropped).to.include({ level: "error", descriptors: 200, accepted });
    expect((await fetch(`${served.opsUrl}/livez`)).status).to.equal(200);

    // What was accepted is answered, each with a connection to the service.
    const answered = connections.map(
      (socket) =>
        new Promise<number>((resolve) => {
          socket.once("data", (head: Buffer) => resolve(Number(head.toString().slice(9, 12))));
          socket.once("close", () => resolve(0));
          if (socket.closed) resolve(0);
          else socket.write("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        }),
    );
    const statuses = await Promise.all(answered);
    expect(statuses.filter((status) => status !== 0)).to.deep.equal(
      Array.from({ length: accepted }, () => 200),
    );
    expect((await fetch(`${served.opsUrl}/livez`)).status).to.equal(200);
  });
});
