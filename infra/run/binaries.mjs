// Programs that npm does not bring (Redis, HAProxy): found on PATH, else fetched from the system's packages.
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { onDebian, installPackages, extractPackages, extractedEnv } from "./debian.mjs";
import { run } from "./children.mjs";
import { inRoot, say } from "./project.mjs";

/**
 * The path of the first of `names` on PATH, or null. The system folders are searched too: they are not on the PATH of
 * an ordinary user, and servers live there.
 */
export function onPath(...names) {
  const folders = [
    ...(process.env.PATH ?? "").split(path.delimiter),
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
  ];
  for (const name of names) {
    for (const folder of folders) {
      const file = path.join(folder, name);
      if (folder !== "" && isExecutable(file)) return file;
    }
  }
  return null;
}

function isExecutable(file) {
  try {
    const stat = statSync(file);
    return stat.isFile() && (stat.mode & 0o111) !== 0;
  } catch {
    return false; // not there, or in a folder that this user may not read, or in no folder at all
  }
}

/**
 * Finds a program, fetching its package when needed: as root with apt-get install, else into .cache/packages.
 * @param {{ names: string[], packages: string[], formula?: string }} wanted
 * @returns {Promise<{ file: string, env: Record<string, string> } | null>} null: not to be had on this machine
 */
export async function findProgram({ names, packages, formula }) {
  const found = onPath(...names) ?? null;
  if (found) return { file: found, env: {} };
  return (await fromDebian(names, packages)) ?? (await fromBrew(names, formula));
}

async function fromDebian(names, packages) {
  if (!onDebian()) return null;
  const folder = inRoot(".cache", "packages", packages[0]);
  const cached = inExtracted(folder, names);
  if (cached) return cached;
  say(`${names[0]} is not installed: fetching the package ${packages[0]} (once) …`);
  if (process.getuid?.() === 0 && (await installPackages(packages))) {
    const file = onPath(...names);
    if (file) return { file, env: {} };
  }
  await extractPackages(packages, folder);
  return inExtracted(folder, names);
}

function inExtracted(folder, names) {
  for (const name of names) {
    for (const bin of ["usr/bin", "usr/sbin"]) {
      const file = path.join(folder, bin, name);
      if (existsSync(file)) return { file, env: extractedEnv(folder) };
    }
  }
  return null;
}

async function fromBrew(names, formula) {
  const brew = onPath("brew");
  if (!brew || !formula) return null;
  say(`${names[0]} is not installed: brew install ${formula} …`);
  await run(brew, ["install", formula], { stdio: ["ignore", 2, 2] });
  const file = onPath(...names, ...names.map((name) => `../opt/${formula}/bin/${name}`));
  return file ? { file, env: {} } : null;
}
