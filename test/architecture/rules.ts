// The walls of the architecture. A rule looks at all sources and names what breaks it; architecture.test.ts shows that
// each one can turn red.
import path from "node:path";
import type { Manifest, Source } from "./sources.ts";

/** What each member may import from the workspace. Arrows point to the pure. */
const arrows = new Map<string, readonly string[]>([
  ["protocol", []],
  ["core", ["protocol"]],
  ["store", ["core", "protocol"]],
  ["upstream", ["core", "protocol"]],
  ["runtime", ["core", "protocol"]],
  ["engine", ["core", "protocol", "upstream"]],
  ["mirror", ["core", "engine", "protocol", "runtime", "upstream"]],
  ["node", ["core", "engine", "mirror", "protocol", "runtime", "store", "upstream"]],
  ["operations", ["core", "engine", "protocol"]],
  ["client", ["protocol"]],
  ["testkit", ["core", "protocol"]],
  ["proxy", ["core", "engine", "mirror", "node", "protocol", "runtime", "store", "upstream"]],
  ["sweeper", ["core", "engine", "mirror", "node", "protocol", "runtime", "store", "upstream"]],
  ["admin", ["core", "engine", "node", "operations", "protocol", "runtime", "store", "upstream"]],
  // `serve` runs proxy, sweeper and admin in one process for one-machine use.
  [
    "cli",
    [
      "core",
      "engine",
      "node",
      "operations",
      "protocol",
      "runtime",
      "store",
      "upstream",
      "proxy",
      "sweeper",
      "admin",
    ],
  ],
  ["demo", ["protocol"]],
]);

/** Packages that tests beside the sources may use although production code may not. */
const testOnly = ["testkit"];

/** Files with a timer of their own. Everything periodic is runtime/loop.ts's; these end one request's wait. */
const timerExceptions = new Map([
  ["packages/runtime/src/loop.ts", "the only timers of the services"],
  ["packages/engine/src/execution/attempt.ts", "the deadline of one request"],
  ["services/proxy/src/listener/client-error.ts", "how long one refused client may take to read why"],
  ["services/proxy/src/listener/proxied-sources.ts", "how long one connection's PROXY header may take"],
  [
    "services/proxy/src/listener/half-closed.ts",
    "asks a client that has closed its side whether it still reads",
  ],
  ["services/proxy/src/listener/upload-rate.ts", "the least rate of one request's body"],
  ["services/proxy/src/listener/in-flight.ts", "how long the last requests may take when the server closes"],
  ["services/proxy/src/listener/join-sockets.ts", "how long one upgraded connection may live"],
  ["services/proxy/src/listener/write-reply.ts", "how long one slow client may take to read its answer"],
  ["packages/store/src/redis/pulse.ts", "how long one open connection may be silent"],
  ["packages/store/src/cache/guard.ts", "how long one look-up in the cache's Redis may take"],
  ["packages/upstream/src/bulkhead.ts", "one request's longest wait in its instance's queue"],
]);

const maxLines = 400;

const maxFunctionLines = 100;

const workspace = "@sticky-proxy/";

export interface World {
  readonly sources: readonly Source[];
  readonly manifests: ReadonlyMap<string, Manifest>;
}

export interface Rule {
  readonly name: string;
  /** What breaks the rule, a sentence each. */
  readonly broken: (world: World) => string[];
}

export const rules: readonly Rule[] = [
  { name: "packages and services import along the arrows only", broken: againstTheArrows },
  { name: "a package is entered by the doors that its package.json names", broken: deepImports },
  { name: "a door opens into a file of its own package", broken: brokenDoors },
  { name: "a door exports only what another member or a test imports", broken: unusedExports },
  { name: "no service imports another, the command line excepted", broken: servicesOfServices },
  { name: "core awaits nothing", broken: awaitingCore },
  { name: "what is imported stands in the importer's own manifest", broken: undeclared },
  { name: "no circle of imports, types counted", broken: circles },
  {
    name: "in services only main.ts and the command line know store and upstream",
    broken: concreteOutsideMain,
  },
  { name: "only store/cluster/lock-nodes.ts knows redlock", broken: redlockOutsideLocks },
  { name: "only store knows ioredis", broken: ioredisOutsideStore },
  { name: "only upstream knows undici and got", broken: httpClientsOutsideUpstream },
  { name: "timers live in runtime/loop.ts, but for listed waits of one request", broken: timers },
  { name: "core decides without clock, randomness, environment or I/O", broken: impureCore },
  { name: "protocol does no I/O", broken: impureProtocol },
  { name: "an exported error class has a code", broken: errorsWithoutCode },
  { name: "the environment is read by runtime/config only", broken: environment },
  { name: "the log field of an error is err", broken: errorFields },
  { name: "no file is named after a drawer", broken: drawers },
  { name: `a source stays below ${maxLines} lines`, broken: tooLong },
  { name: `a function has at most ${maxFunctionLines} lines`, broken: tooLongFunctions },
];

const production = ({ sources }: World) => sources.filter((source) => !source.isTest);

/** Demo and testkit are no part of a running gateway. */
const running = (world: World) =>
  production(world).filter(
    (source) =>
      source.member !== "demo" &&
      source.member !== "testkit" &&
      source.member !== "client" &&
      !isPanel(source),
  );

function workspaceImports(source: Source): string[] {
  return source.imports
    .filter(({ specifier }) => specifier.startsWith(workspace))
    .map(({ specifier }) => specifier.slice(workspace.length).split("/")[0] ?? "");
}

function againstTheArrows({ sources }: World): string[] {
  return sources.flatMap((source) => {
    if (source.member === null) return [];
    const allowed = arrows.get(source.member);
    if (!allowed) return [`${source.file}: ${source.member} has no place among the arrows`];
    return workspaceImports(source)
      .filter((name) => name !== source.member)
      .filter((name) => !allowed.includes(name) && !(source.isTest && testOnly.includes(name)))
      .map((name) => `${source.file} imports ${name}`);
  });
}

function deepImports({ sources, manifests }: World): string[] {
  const isDoor = (specifier: string): boolean => {
    const [, name = "", ...below] = specifier.split("/");
    return doorsOf(manifests.get(name)).has(below.length === 0 ? "." : `./${below.join("/")}`);
  };
  return sources.flatMap((source) =>
    source.imports
      .filter(({ specifier }) => {
        if (specifier.startsWith(workspace)) return !isDoor(specifier);
        if (!specifier.startsWith(".")) return false;
        const target = path.posix.join(path.posix.dirname(source.file), specifier);
        const home = source.member === null ? "test/" : source.file.split("/").slice(0, 2).join("/") + "/";
        return !target.startsWith(home);
      })
      .map(({ specifier }) => `${source.file} imports ${specifier}`),
  );
}

/** Door -> file, as `exports` of a package.json says. */
function doorsOf(manifest: Manifest | undefined): ReadonlyMap<string, string> {
  const exports: unknown = manifest?.exports ?? {};
  return new Map(typeof exports === "string" ? [[".", exports]] : Object.entries(exports as object));
}

function brokenDoors({ sources, manifests }: World): string[] {
  const files = new Set(sources.map(({ file }) => file));
  return [...manifests].flatMap(([name, manifest]) =>
    [...doorsOf(manifest)]
      .filter(([, target]) => {
        const below = target.replace(/^\.\//, "");
        return (
          !target.startsWith("./src/") ||
          !["packages", "services"].some((parent) => files.has(`${parent}/${name}/${below}`))
        );
      })
      .map(([door, target]) => `${name}: door ${door} leads to ${target}`),
  );
}

/** Members whose doors are curated lists. */
const curated = ["core", "store", "upstream", "runtime", "engine", "mirror", "operations"];

function unusedExports({ sources, manifests }: World): string[] {
  const used = new Set(
    sources.flatMap(({ code, member }) =>
      [...code.matchAll(/^(?:import|export)\s+(?:type\s)?\{([^}]*)\}\s+from\s+"@sticky-proxy\/([^"]+)"/gm)]
        .filter(([, , specifier = ""]) => specifier.split("/")[0] !== member)
        .flatMap(([, names = "", specifier = ""]) =>
          namesOf(names, "first").map((name) => `${specifier} ${name}`),
        ),
    ),
  );
  return curated.flatMap((member) =>
    [...doorsOf(manifests.get(member))].flatMap(([door, target]) => {
      const specifier = path.posix.join(member, door);
      const file = path.posix.join("packages", member, target);
      const code = sources.find((source) => source.file === file)?.code ?? "";
      return exportedBy(code)
        .filter((name) => !used.has(`${specifier} ${name}`))
        .map((name) => `${specifier} exports ${name}, which nobody imports`);
    }),
  );
}

function exportedBy(code: string): string[] {
  const lists = [...code.matchAll(/^export\s+(?:type\s)?\{([^}]*)\}/gm)].flatMap(([, names = ""]) =>
    namesOf(names, "last"),
  );
  const declared = [
    ...code.matchAll(/^export (?:abstract |async )?(?:function|class|const|interface|type) (\w+)/gm),
  ].map(([, name = ""]) => name);
  return [...lists, ...declared];
}

/** `type A as B, c`: the names before `as`, or after it. */
function namesOf(list: string, which: "first" | "last"): string[] {
  return list
    .split(",")
    .map((entry) =>
      entry
        .trim()
        .replace(/^type\s+/, "")
        .split(/\s+as\s+/),
    )
    .map((names) => (which === "first" ? names[0] : names.at(-1)) ?? "")
    .filter((name) => name !== "");
}

/** Only the command line starts services; what two of them share is a package. */
function servicesOfServices({ sources }: World): string[] {
  const services = new Set(sources.filter(({ kind }) => kind === "service").map(({ member }) => member));
  return sources
    .filter(({ kind, member }) => kind === "service" && member !== "cli")
    .flatMap((source) =>
      workspaceImports(source)
        .filter((name) => name !== source.member && services.has(name))
        .map((name) => `${source.file} imports the service ${name}`),
    );
}

/** What waits is the engine's: a decision is made from values in hand. */
function awaitingCore(world: World): string[] {
  return production(world)
    .filter(({ member, code }) => member === "core" && /\bawait\b/.test(code))
    .map(({ file }) => `${file} awaits`);
}

/**
 * Node looks upwards, and the workspace's root has every package: without this an undeclared import would resolve.
 * Tests may use the root's tools.
 */
function undeclared({ sources, manifests }: World): string[] {
  return sources.flatMap((source) => {
    const manifest = source.member === null ? undefined : manifests.get(source.member);
    if (!manifest || source.isTest) return [];
    const isBundled = isPanel(source);
    return source.imports
      .filter(({ specifier }) => !/^(\.|node:)/.test(specifier))
      .map(({ specifier, isType }) => ({ name: packageOf(specifier), isType }))
      .filter(({ name, isType }) => {
        if (manifest.dependencies?.[name] !== undefined) return false;
        if (isBundled && (name === "react" || manifest.devDependencies?.[name] !== undefined)) return false;
        // The published client has no dependency: its build takes these sources in.
        if (source.member === "client" && name === `${workspace}protocol`) {
          return manifest.devDependencies?.[name] === undefined;
        }
        return !(isType && manifest.devDependencies?.[name] !== undefined);
      })
      .map(({ name }) => `${source.file} imports ${name}`);
  });
}

/** Runs in browsers: the install bundles it, with preact in the place of react. */
function isPanel({ file }: Source): boolean {
  return file.startsWith("services/admin/panel/");
}

function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function circles({ sources }: World): string[] {
  const next = new Map(
    sources.map((source) => [
      source.file,
      source.imports
        .filter(({ specifier, isDynamic }) => specifier.startsWith(".") && !isDynamic)
        .map(({ specifier }) => path.posix.join(path.posix.dirname(source.file), specifier)),
    ]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) {
      found.push([...way.slice(way.indexOf(file)), file].join(" -> "));
      return;
    }
    if (done.has(file)) return;
    for (const target of next.get(file) ?? []) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return found;
}

/** main.ts and the command line: where everything is wired. */
function isEntry(file: string): boolean {
  return /^services\/[^/]+\/src\/(main\.ts|open-mirror\.ts)$|^services\/cli\/src\//.test(file);
}

/** A type may be named anywhere: it is how a file says which collaborators it wants to be handed. */
function concreteOutsideMain(world: World): string[] {
  return production(world)
    .filter(({ kind, file }) => kind === "service" && !isEntry(file))
    .flatMap(({ file, imports }) =>
      imports
        .filter(
          ({ specifier, isType }) => !isType && /^@sticky-proxy\/(store|upstream)(\/|$)/.test(specifier),
        )
        .map(({ specifier }) => `${file} imports ${specifier}`),
    );
}

function importersOf(sources: readonly Source[], names: readonly string[]): string[] {
  return sources.flatMap(({ file, imports }) =>
    imports
      .filter(({ specifier }) => names.some((name) => specifier === name || specifier.startsWith(`${name}/`)))
      .map(({ specifier }) => `${file} imports ${specifier}`),
  );
}

function redlockOutsideLocks(world: World): string[] {
  const others = world.sources.filter(
    ({ file }) => !/^packages\/store\/src\/cluster\/(lock-nodes|redlock\.d)\.ts$/.test(file),
  );
  return importersOf(others, ["redlock"]);
}

function ioredisOutsideStore(world: World): string[] {
  return importersOf(
    production(world).filter(({ member }) => member !== "store"),
    ["ioredis"],
  );
}

function httpClientsOutsideUpstream(world: World): string[] {
  return importersOf(
    production(world).filter(({ member }) => member !== "upstream" && member !== "testkit"),
    ["undici", "got"],
  );
}

function timers(world: World): string[] {
  const pattern = /\b(?:setTimeout|setInterval)\(|"(?:node:)?timers(?:\/promises)?"/;
  const withTimer = running(world).filter(({ code }) => pattern.test(code));
  return [
    ...withTimer.filter(({ file }) => !timerExceptions.has(file)).map(({ file }) => `${file} has a timer`),
    ...unneeded(timerExceptions, withTimer),
  ];
}

/** An exception whose reason is gone would hide the next violation. */
function unneeded(
  exceptions: ReadonlyMap<string, string>,
  used: readonly { readonly file: string }[],
): string[] {
  return [...exceptions.keys()]
    .filter((file) => !used.some((source) => source.file === file))
    .map((file) => `${file} needs no exception any more`);
}

function impureCore(world: World): string[] {
  return impure(
    world,
    "core",
    /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\b|\bperformance\.now\b|\bprocess\.|\bfetch\(/,
  );
}

/** The client's errors are a published interface of their own. */
function errorsWithoutCode(world: World): string[] {
  return production(world)
    .filter((source) => source.member !== "client" && !source.file.endsWith(".d.ts") && !isPanel(source))
    .filter(({ file }) => file !== "packages/protocol/src/coded-error.ts")
    .flatMap(({ file, code }) =>
      [...code.matchAll(/^export class (\w+) extends Error\b/gm)].map(
        ([, name]) => `${file}: ${name} extends Error and not CodedError`,
      ),
    );
}

function impureProtocol(world: World): string[] {
  return impure(world, "protocol", /\bprocess\.env\b|\bfetch\(/);
}

function impure(world: World, member: string, forbidden: RegExp): string[] {
  return production(world)
    .filter((source) => source.member === member)
    .flatMap(({ file, code, imports }) => [
      ...[forbidden.exec(code)?.[0]]
        .filter((word) => word !== undefined)
        .map((word) => `${file} uses ${word}`),
      ...imports
        .filter(({ specifier }) => specifier.startsWith("node:") && specifier !== "node:crypto")
        .map(({ specifier }) => `${file} imports ${specifier}`),
    ]);
}

/** An entry hands the environment to the configuration as a whole; reading a variable there counts as reading. */
function environment(world: World): string[] {
  return production(world)
    .filter(
      ({ member, file }) => member !== "testkit" && !/^packages\/runtime\/src\/config(\/|\.ts$)/.test(file),
    )
    .filter(({ file, code }) =>
      isEntry(file) ? /\bprocess\.env\s*[.[?]|=\s*process\.env\b/.test(code) : /\bprocess\.env\b/.test(code),
    )
    .map(({ file }) => `${file} reads process.env`);
}

/** Repeats are told apart by `err`; under another name a different error would count as a repeat. */
function errorFields(world: World): string[] {
  const call = /\blog(?:ger)?\.(?:debug|info|warn|error)\([^;]*?[{,]\s*error\s*[,:}]/;
  return production(world)
    .filter(({ code }) => call.test(code))
    .map(({ file }) => `${file} logs a field "error"`);
}

function drawers({ sources }: World): string[] {
  return sources
    .filter(({ file }) =>
      file
        .split("/")
        .some((part) => /^(utils?|commons?|helpers?|types|constants?|misc|lib)(\.|$)/.test(part)),
    )
    .map(({ file }) => file);
}

/** A contract is a test text, though not in a test file: what it tests decides its length. */
function tooLong(world: World): string[] {
  const long = production(world).filter(
    ({ lines, file }) => lines > maxLines && !/^packages\/testkit\/src\/[\w-]+-contract\.ts$/.test(file),
  );
  return long.map(({ file, lines }) => `${file} has ${lines} lines`);
}

/** Closures count with all that stands in them: a factory of 200 lines is read as one text. Stand-ins for tests do not count. */
function tooLongFunctions(world: World): string[] {
  return running(world)
    .filter(({ file }) => !file.startsWith("packages/core/src/testing/"))
    .flatMap(({ file, functions, lines }) =>
      lines <= maxFunctionLines
        ? []
        : functions()
            .filter((one) => one.lines > maxFunctionLines)
            .map((one) => `${file} ${one.name} has ${one.lines} lines`),
    );
}
