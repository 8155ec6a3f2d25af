/** Real balancers in front of a gateway: HAProxy and nginx from the distribution, each with a configuration of the test's. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { connect } from "node:net";
import { join } from "node:path";

import { freePorts } from "./ports.ts";
import { until } from "./until.ts";

export interface FrontServer {
  readonly port: number;
  stop(): Promise<void>;
}

export interface FrontFiles {
  readonly [name: string]: string;
}

/** `config`: made for the port that it listens on and the folder with `files`. */
export type FrontConfig = (port: number, folder: string) => string;

export function startHaproxy(config: FrontConfig, files: FrontFiles = {}): Promise<FrontServer> {
  const program = process.env["STICKY_TEST_HAPROXY"] ?? "haproxy";
  return start(program, (file) => ["-db", "-f", file], config, files);
}

export function startNginx(config: FrontConfig, files: FrontFiles = {}): Promise<FrontServer> {
  const program = process.env["STICKY_TEST_NGINX"] ?? "nginx";
  const whole: FrontConfig = (port, folder) =>
    `daemon off;\nmaster_process off;\npid ${folder}/pid;\nerror_log stderr warn;\nevents {}\nhttp {\n${[
      "client_body",
      "proxy",
      "fastcgi",
      "uwsgi",
      "scgi",
    ]
      .map((name) => `${name}_temp_path ${folder}/${name};\n`)
      .join("")}access_log off;\n${config(port, folder)}\n}\n`;
  return start(program, (file, folder) => ["-p", folder, "-e", "stderr", "-c", file], whole, files);
}

async function start(
  program: string,
  argumentsOf: (file: string, folder: string) => string[],
  config: FrontConfig,
  files: FrontFiles,
): Promise<FrontServer> {
  const folder = await mkdtemp(join(tmpdir(), "sticky-front-"));
  const [port] = await freePorts(1);
  const file = join(folder, "front.conf");
  for (const [name, text] of Object.entries({ ...files, "front.conf": config(port!, folder) }))
    await writeFile(join(folder, name), text);
  const child = spawn(program, argumentsOf(file, folder), { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (part: Buffer) => (said += part.toString()));
  let ended: string | null = null;
  child.once("error", (error) => (ended = error.message));
  child.once("exit", () => (ended ??= `${program} ended:\n${said}`));
  await until(async () => {
    if (ended !== null) throw new Error(ended);
    return listens(port!);
  });
  return {
    port: port!,
    async stop() {
      await ending(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ending(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
