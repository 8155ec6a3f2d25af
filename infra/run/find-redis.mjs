// Where Redis comes from, in this order: a server on PATH, Docker, Debian's packages, brew. (REDIS_URL comes before
// all of these: with it no Redis is started at all.)
import process from "node:process";
import { createHash } from "node:crypto";
import { capture } from "./children.mjs";
import { findProgram, onPath } from "./binaries.mjs";
import { inRoot, say, Trouble } from "./project.mjs";

const names = ["redis-server", "valkey-server"];
const settings = inRoot("infra", "redis", "standard.conf");
const image = "redis:7.4.2-bookworm";

/**
 * Finds a Redis that can be started.
 * @returns {Promise<{ command(at: { dir: string, port: number }): { file: string, args: string[], env: Record<string, string> } }>}
 */
export async function findRedis() {
  const installed = onPath(...names);
  if (installed && (await isNewEnough(installed, {}))) return local(installed, {});
  const docker = onPath("docker");
  if (docker && (await engineAnswers(docker))) return inDocker(docker);
  const found = await findProgram({ names, packages: ["redis-server"], formula: "redis" });
  if (found && (await isNewEnough(found.file, found.env))) return local(found.file, found.env);
  throw new Trouble(
    "No Redis 7.0 or newer was found, and none could be installed. Do one of these and start again:\n" +
      "  - set REDIS_URL, for example REDIS_URL=redis://127.0.0.1:6379\n" +
      "  - install redis-server or valkey-server and have it on PATH\n" +
      "  - start Docker",
  );
}

/** The local binary alone, for tests that kill and restart their own Redis; null where there is none. */
export async function findRedisBinary() {
  const found = await findProgram({ names, packages: ["redis-server"], formula: "redis" });
  return found && (await isNewEnough(found.file, found.env)) ? found : null;
}

function local(file, env) {
  return {
    command: ({ dir, port }) => ({
      file,
      env,
      args: [settings, "--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no"],
    }),
  };
}

function inDocker(docker) {
  // The data folder belongs to whoever runs this, not to the image's user.
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const nameOf = (dir) => `sticky-proxy-${createHash("sha256").update(dir).digest("hex").slice(0, 12)}`;
  return {
    command({ dir, port }) {
      const options = `run --rm --init --user ${user} --name ${nameOf(dir)} --publish 127.0.0.1:${port}:6379`;
      const volumes = ["--volume", `${dir}:/data`, "--volume", `${settings}:/redis.conf:ro`];
      const server = "redis-server /redis.conf --port 6379 --bind 0.0.0.0 --protected-mode no --dir /data";
      return {
        file: docker,
        env: {},
        args: [...options.split(" "), ...volumes, image, ...server.split(" ")],
      };
    },
  };
}

async function engineAnswers(docker) {
  const { code } = await capture(docker, ["info", "--format", "{{.ServerVersion}}"], { timeoutMs: 5000 });
  return code === 0;
}

async function isNewEnough(file, env) {
  const { stdout } = await capture(file, ["--version"], { env: { ...process.env, ...env } });
  const major = Number(/v=(\d+)/.exec(stdout)?.[1] ?? 0);
  if (major >= 7) return true;
  say(`${file} is too old (${stdout.trim() || "no version"}): Redis 7.0 is needed.`);
  return false;
}
