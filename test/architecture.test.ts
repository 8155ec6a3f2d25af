import { expect } from "chai";
import path from "node:path";
import { rules, type World } from "./architecture/rules.ts";
import { parseSource, readManifests, readSources } from "./architecture/sources.ts";

const root = path.join(import.meta.dirname, "..");
const project: World = { sources: readSources(root), manifests: readManifests(root) };

/** For each rule one planted violation and, where a rule has a fine line, what stands just on the right side of it. */
const planted: Record<
  string,
  { bad: [file: string, text: string][]; good?: [file: string, text: string][] }
> = {
  "packages and services import along the arrows only": {
    bad: [
      ["packages/core/src/a.ts", 'import { x } from "@sticky-proxy/store";'],
      ["packages/testkit/src/a.ts", 'import type { X } from "@sticky-proxy/store";'],
      ["services/demo/src/a.ts", 'export * from "@sticky-proxy/core/http";'],
      ["packages/core/src/b.ts", 'const x = await import("@sticky-proxy/upstream");'],
      ["packages/core/src/c.ts", 'import {\n  x,\n  y,\n} from "@sticky-proxy/runtime";'],
      ["packages/core/src/d.ts", 'import "@sticky-proxy/testkit";'],
    ],
    good: [
      ["packages/core/src/a.test.ts", 'import { x } from "@sticky-proxy/testkit";'],
      ["packages/core/src/a.ts", '// import { x } from "@sticky-proxy/store";'],
    ],
  },
  "a package is entered by the doors that its package.json names": {
    bad: [
      ["services/proxy/src/a.ts", 'import { x } from "@sticky-proxy/core/src/process/record.ts";'],
      ["services/proxy/src/b.ts", 'import { x } from "../../../packages/core/src/index.ts";'],
      ["services/proxy/src/c.ts", 'import { x } from "@sticky-proxy/core";'],
      ["test/a.test.ts", 'import { x } from "../services/proxy/src/app.ts";'],
    ],
    good: [
      ["services/proxy/src/a.ts", 'import { x } from "@sticky-proxy/core/process";'],
      ["test/integration/a.test.ts", 'import { x } from "../support/cluster.ts";'],
    ],
  },
  "no service imports another, the command line excepted": {
    bad: [["services/demo/src/a.ts", 'const x = await import("@sticky-proxy/sweeper");']],
    good: [["services/cli/src/a.ts", 'import { x } from "@sticky-proxy/proxy/main";']],
  },
  "core awaits nothing": {
    bad: [["packages/core/src/a.ts", "export const f = async () => await g();"]],
    good: [
      ["packages/core/src/a.test.ts", "await g();"],
      ["packages/core/src/a.ts", "// the engine will await g()"],
    ],
  },
  "what is imported stands in the importer's own manifest": {
    bad: [
      ["packages/core/src/a.ts", 'import joi from "joi";'],
      ["packages/core/src/b.ts", 'import fc from "fast-check";'],
      ["packages/client/src/a.ts", 'import express from "express";'],
    ],
    good: [
      ["packages/core/src/b.test.ts", 'import fc from "fast-check";'],
      ["packages/client/src/a.ts", 'import { x } from "@sticky-proxy/protocol";'],
      ["packages/client/examples/a.ts", 'import express from "express";'],
    ],
  },
  "no circle of imports, types counted": {
    bad: [
      ["packages/core/src/planted-a.ts", 'import { b } from "./planted-b.ts";'],
      ["packages/core/src/planted-b.ts", 'import type { A } from "./planted-a.ts";'],
    ],
    good: [
      ["packages/core/src/planted-c.ts", 'import { d } from "./planted-d.ts";'],
      ["packages/core/src/planted-d.ts", 'const c = await import("./planted-c.ts");'],
    ],
  },
  "in services only main.ts and the command line know store and upstream": {
    bad: [
      ["services/proxy/src/middleware/a.ts", 'import { x } from "@sticky-proxy/store";'],
      ["services/sweeper/src/a.ts", 'import { x } from "@sticky-proxy/upstream";'],
      ["services/sweeper/src/b.ts", 'import { x } from "@sticky-proxy/store/testing";'],
    ],
    good: [
      ["services/proxy/src/main.ts", 'import { x } from "@sticky-proxy/store";'],
      ["services/proxy/src/deps.ts", 'import type { X } from "@sticky-proxy/store";'],
    ],
  },
  "only store/cluster/lock-nodes.ts knows redlock": {
    bad: [["packages/store/src/a.ts", 'import Redlock from "redlock";']],
    good: [["packages/store/src/cluster/lock-nodes.ts", 'import Redlock from "redlock";']],
  },
  "only store knows ioredis": {
    bad: [["services/proxy/src/main.ts", 'import { Redis } from "ioredis";']],
    good: [["packages/store/src/a.ts", 'import { Redis } from "ioredis";']],
  },
  "only upstream knows undici and got": {
    bad: [["services/sweeper/src/a.ts", 'import got from "got";']],
    good: [["packages/upstream/src/a.ts", 'import { Pool } from "undici";']],
  },
  "timers live in runtime/loop.ts, but for listed waits of one request": {
    bad: [
      ["services/sweeper/src/a.ts", "setInterval(tick, 500);"],
      ["packages/store/src/a.ts", 'import { setTimeout as sleep } from "node:timers/promises";'],
    ],
    good: [["services/sweeper/src/b.ts", "/* no setInterval( here:\n the loop calls */\nclearTimeout(x);"]],
  },
  "core decides without clock, randomness, environment or I/O": {
    bad: [
      ["packages/core/src/a.ts", "const now = Date.now();"],
      ["packages/core/src/b.ts", "const now = new Date();"],
      ["packages/core/src/c.ts", "const dice = Math.random();"],
      ["packages/core/src/d.ts", "const home = process.env.HOME;"],
      ["packages/core/src/e.ts", 'import { readFileSync } from "node:fs";'],
      ["packages/core/src/f.ts", 'import http from "node:http";'],
      ["packages/core/src/g.ts", 'import type { Socket } from "node:net";'],
    ],
    good: [
      ["packages/core/src/a.ts", 'import { createHash } from "node:crypto";\nconst at = new Date(now);'],
    ],
  },
  "protocol does no I/O": {
    bad: [["packages/protocol/src/a.ts", 'import { connect } from "node:net";']],
  },
  "an exported error class has a code": {
    bad: [["packages/core/src/a.ts", "export class Gone extends Error {}"]],
    good: [
      ["packages/core/src/a.ts", "export class Gone extends CodedError {}"],
      ["packages/core/src/b.ts", "class Stop extends Error {}"],
    ],
  },
  "the environment is read by runtime/config only": {
    bad: [
      ["services/proxy/src/main.ts", "const port = process.env.PORT;"],
      ["services/cli/src/cli.ts", "const { PORT } = process.env;"],
      ["services/proxy/src/app.ts", "load({ env: process.env });"],
    ],
    good: [
      ["services/cli/src/cli.ts", "load({ env: process.env });"],
      ["packages/runtime/src/config/sources.ts", "process.env.STICKY_PORT;"],
    ],
  },
  "the log field of an error is err": {
    bad: [
      ["services/proxy/src/a.ts", 'log.error("request.failed", { requestId, error });'],
      ["packages/node/src/a.ts", 'logger.warn("x", { what, error: err });'],
    ],
    good: [["services/proxy/src/b.ts", 'log.error("x", { what, err: error });\nreturn { error };']],
  },
  "no file is named after a drawer": {
    bad: [
      ["packages/core/src/utils.ts", ""],
      ["services/proxy/src/helpers/http.ts", ""],
      ["test/support/constants.ts", ""],
    ],
    good: [["packages/core/src/process/record-types.ts", ""]],
  },
  "a source stays below 400 lines": {
    bad: [["services/proxy/src/a.ts", "x;\n".repeat(401)]],
    good: [["services/proxy/src/b.ts", "x;\n".repeat(400)]],
  },
};

planted["a function has at most 100 lines"] = {
  bad: [["services/proxy/src/a.ts", `export function f() {\n${"x;\n".repeat(99)}}`]],
  good: [["services/proxy/src/b.ts", `export function f() {\n${"x;\n".repeat(98)}}`]],
};

describe("the architecture", () => {
  for (const { name, broken } of rules) {
    it(name, () => {
      expect(broken(project)).to.deep.equal([]);
    });
  }

  describe("its guards", () => {
    for (const { name, broken } of rules.filter((rule) => planted[rule.name])) {
      it(`would notice: ${name}`, () => {
        const { bad, good = [] } = planted[name]!;
        for (const plant of name === "no circle of imports, types counted"
          ? [bad]
          : bad.map((one) => [one])) {
          expect(newlyBroken(broken, plant), JSON.stringify(plant)).to.have.lengthOf(1);
        }
        expect(newlyBroken(broken, good), "what is allowed").to.deep.equal([]);
      });
    }

    it("would notice a door that leads nowhere", () => {
      const rule = rules.find(({ name }) => name.startsWith("a door opens"))!;
      const manifests = new Map([
        ...project.manifests,
        ["core", { exports: { "./x": "./src/x.ts", "./http": "./src/http/index.ts" } }],
      ]);
      expect(rule.broken({ ...project, manifests })).to.deep.equal(["core: door ./x leads to ./src/x.ts"]);
    });

    it("would notice an export of a door that nobody imports, as a value and as a type", () => {
      const rule = rules.find(({ name }) => name.startsWith("a door exports only"))!;
      const door = parseSource(
        "packages/mirror/src/index.ts",
        'export { createComparer, unused as forgotten, type Forgotten } from "./comparer.ts";\nexport const lost = 1;',
      );
      const sources = [...project.sources.filter(({ file }) => file !== door.file), door];
      expect(rule.broken({ ...project, sources })).to.deep.equal([
        "mirror exports forgotten, which nobody imports",
        "mirror exports Forgotten, which nobody imports",
        "mirror exports lost, which nobody imports",
      ]);
    });

    it("would notice an exception that is needed no longer", () => {
      const without = project.sources.filter(({ file }) => file !== "packages/runtime/src/loop.ts");
      const rule = rules.find(({ name }) => name.startsWith("timers"))!;
      expect(rule.broken({ ...project, sources: without })).to.include.members([
        "packages/runtime/src/loop.ts needs no exception any more",
      ]);
    });

    it("has a planted violation for every rule", () => {
      const plantedElsewhere = [
        "a door opens into a file of its own package",
        "a door exports only what another member or a test imports",
      ];
      expect([...Object.keys(planted), ...plantedElsewhere].sort()).to.deep.equal(
        rules.map(({ name }) => name).sort(),
      );
    });

    it("sees the whole project", () => {
      expect(project.sources.length).to.be.greaterThan(100);
      expect(project.sources.flatMap(({ imports }) => imports).length).to.be.greaterThan(300);
    });
  });
});

const brokenToday = new Map<(world: World) => string[], ReadonlySet<string>>();

/** What a rule finds when files are added, beyond what it finds today. */
function newlyBroken(broken: (world: World) => string[], files: [file: string, text: string][]): string[] {
  const before = brokenToday.get(broken) ?? new Set(broken(project));
  brokenToday.set(broken, before);
  const sources = [...project.sources, ...files.map(([file, text]) => parseSource(file, text))];
  return broken({ ...project, sources }).filter((sentence) => !before.has(sentence));
}
