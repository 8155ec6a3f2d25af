/** A whole gateway with its admin service, as `serve` starts it, over a Redis and a service of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { stringify } from "yaml";

const cli = join(import.meta.dirname, "../../services/cli/src/cli.ts");

export interface AdminGateway {
  readonly redis: TestRedis;
  /** Data plane. */
  readonly url: string;
  /** Admin service. */
  readonly adminUrl: string;
  /** The token of the link that the first start prints. */
  readonly firstToken: string;
  readonly configFile: string;
  log(): string;
  /** Ends the whole gateway at once, as a crash does; its Redis and service stay. */
  crash(): Promise<void>;
  /** Another admin service on the same Redis, alone. */
  startAdmin(): Promise<{ readonly adminUrl: string }>;
  stop(): Promise<void>;
}

export interface AdminGatewayOptions {
  /** The services, given the address of the test's own one. */
  readonly services: (origin: string) => Record<string, unknown>;
  readonly config?: Record<string, unknown>;
  readonly service: RequestListener;
}

export async function startAdminGateway(options: AdminGatewayOptions): Promise<AdminGateway> {
  const service = createServer(options.service);
  await once(service.listen(0, "127.0.0.1"), "listening");
  const origin = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  const redis = await startRedis();
  const folder = mkdtempSync(join(tmpdir(), "sticky-admin-"));
  const configFile = join(folder, "sticky.yaml");
  const config = { redis: { url: redis.url }, ...options.config, services: options.services(origin) };
  writeFileSync(configFile, stringify(config, { aliasDuplicateObjects: false }));
  const ports = ["--port", "0", "--ops-port", "0", "--admin-port", "0"];
  const child: ChildProcess = spawn(process.execPath, [cli, "serve", "--config", configFile, ...ports], {
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  child.stdout!.on("data", (chunk: Buffer) => (out += chunk.toString()));
  const children = [child];
  async function stop(): Promise<void> {
    await Promise.all(children.map(kill));
    service.closeAllConnections();
    service.close();
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  const line = /listening on (\S+) [^]*admin panel (\S+)\/login#token=(\S+)/;
  const [, url, adminUrl, firstToken] = await said(child, line).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return {
    redis,
    url: url!,
    adminUrl: adminUrl!,
    firstToken: firstToken!,
    configFile,
    log: () => out,
    crash: () => kill(child),
    async startAdmin() {
      const own = ["--ops-port", "0", "--admin-port", "0"];
      const other = spawn(process.execPath, [cli, "serve", "admin", "--config", configFile, ...own], {
        env: { PATH: process.env["PATH"] },
        stdio: ["ignore", "ignore", "pipe"],
      });
      children.push(other);
      const [, at] = await said(other, /admin panel (\S+)/);
      return { adminUrl: at! };
    },
    stop,
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** Resolves when its stderr matches. */
function said({ stderr, ...child }: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
  let text = "";
  stderr!.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    const match = pattern.exec(text);
    if (match !== null) resolve(match);
  });
  stderr!.once("end", () => reject(new Error(`the gateway ended (${child.pid}):\n${text}`)));
  return promise;
}

/** A client of the admin API. */
export interface AdminClient {
  readonly cookie: string;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** As the panel sends it: same origin, JSON. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
}

/** Logs in with a token, as the panel does. */
export async function logIn(adminUrl: string, token: string): Promise<AdminClient> {
  const fromPanel = { "content-type": "application/json", "sec-fetch-site": "same-origin" };
  const answer = await fetch(`${adminUrl}/api/v1/session`, {
    method: "POST",
    headers: fromPanel,
    body: JSON.stringify({ token }),
  });
  if (answer.status !== 201) throw new Error(`login: ${answer.status} ${await answer.text()}`);
  const cookie = answer.headers.getSetCookie()[0]!.split(";")[0]!;
  return {
    cookie,
    get: (path, headers = {}) => fetch(`${adminUrl}/api/v1${path}`, { headers: { cookie, ...headers } }),
    send: (method, path, body, headers = {}) =>
      fetch(`${adminUrl}/api/v1${path}`, {
        method,
        headers: { cookie, ...fromPanel, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
  };
}
