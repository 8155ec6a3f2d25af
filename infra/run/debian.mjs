// Packages of Debian and its kin: installed as root, or downloaded and unpacked into a folder without root.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { capture, checkInterrupted, run } from "./children.mjs";
import { inRoot, say } from "./project.mjs";

const quiet = { stdio: ["ignore", 2, 2] };

/** Whether this system has apt. */
export function onDebian() {
  return ["apt-get", "dpkg-deb"].every((name) => existsSync(`/usr/bin/${name}`));
}

/** Installs packages as root. No service is started: the project runs its own. Returns whether it worked. */
export async function installPackages(packages) {
  // invoke-rc.d starts nothing in run level 1, systemctl nothing when told to be offline.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1", SYSTEMD_OFFLINE: "1" };
  const install = () =>
    run("apt-get", ["-qq", "install", "-y", "--no-install-recommends", ...packages], { ...quiet, env });
  if ((await install()) === 0) return true;
  checkInterrupted();
  // A fresh image has no package lists, an old one has stale ones.
  await run("apt-get", ["-qq", "update"], { ...quiet, env });
  checkInterrupted();
  return (await install()) === 0;
}

/**
 * Downloads packages with everything they need that this system lacks, and unpacks them below `folder`. Needs no root:
 * apt's lists and cache lie below .cache, its view of what is installed is the system's.
 */
export async function extractPackages(packages, folder) {
  const apt = privateApt();
  let missing = await whatIsMissing(apt, packages);
  if (missing.length === 0) {
    say("Reading the package lists …");
    await run("apt-get", [...apt, "-qq", "update"], quiet);
    missing = await whatIsMissing(apt, packages);
  }
  checkInterrupted();
  if (missing.length === 0) return;

  const work = `${folder}.${process.pid}`;
  mkdirSync(path.join(work, "root"), { recursive: true });
  try {
    await run("apt-get", [...apt, "-qq", "download", ...missing], { ...quiet, cwd: work });
    const archives = readdirSync(work).filter((name) => name.endsWith(".deb"));
    for (const archive of archives) {
      await run("dpkg-deb", ["-x", path.join(work, archive), path.join(work, "root")], quiet);
    }
    checkInterrupted();
    rmSync(folder, { recursive: true, force: true });
    renameSync(path.join(work, "root"), folder); // whole or not at all
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function privateApt() {
  const state = inRoot(".cache", "apt");
  mkdirSync(path.join(state, "lists", "partial"), { recursive: true });
  mkdirSync(path.join(state, "archives", "partial"), { recursive: true });
  return [
    `Dir::State::lists=${state}/lists`,
    `Dir::Cache=${state}`,
    "Dir::State::status=/var/lib/dpkg/status",
  ].flatMap((option) => ["-o", option]);
}

/** The names of the packages that apt would install: a dry run needs no rights. */
async function whatIsMissing(apt, packages) {
  const { stdout } = await capture("apt-get", [
    ...apt,
    "-s",
    "install",
    "--no-install-recommends",
    ...packages,
  ]);
  return [...stdout.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]);
}

/** What an unpacked program needs to find the libraries that came with it. */
export function extractedEnv(folder) {
  const folders = ["lib", "usr/lib"]
    .map((part) => path.join(folder, part))
    .filter((part) => existsSync(part))
    .flatMap((part) => [
      part,
      ...readdirSync(part)
        .filter((name) => name.includes("-linux-"))
        .map((name) => path.join(part, name)),
    ]);
  return { LD_LIBRARY_PATH: [...folders, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":") };
}
