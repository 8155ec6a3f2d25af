/** The documents do not go stale unseen: what they name exists, and what they must say stands there. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isProblemSlug, problemTypes } from "@sticky-proxy/protocol";
import { createMetrics, describeConfig } from "@sticky-proxy/runtime";
import { expect } from "chai";
import { readSources } from "../architecture/sources.ts";
import { editorSchema, generated, root, sectionOf } from "./generated.ts";

const read = (file: string): string => readFileSync(join(root, file), "utf8");
const documents = [
  "README.md",
  "USES.md",
  "API.md",
  "CONFIGURATION.md",
  "OPERATIONS.md",
  "MIGRATING.md",
  "ARCHITECTURE.md",
  "DECISIONS.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "packages/client/README.md",
  "test/bench/README.md",
];
/** One line, without marks of emphasis, quotation and code. */
const plain = (text: string): string => text.replaceAll(/[>*`]/g, "").replaceAll(/\s+/g, " ");

/** As GitHub makes them from headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

describe("the documents", () => {
  for (const file of documents) {
    it(`${file} links only to what exists`, () => {
      const text = read(file);
      for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [path = "", anchor] = target.split("#");
        const linked = path === "" ? file : join(dirname(file), path);
        expect(existsSync(join(root, linked)), `${file}: ${target}`).to.equal(true);
        if (anchor !== undefined) expect(anchorsOf(read(linked)), `${file}: ${target}`).to.include(anchor);
      }
    });
  }

  it("are in the repository, with everything they link to", () => {
    const tracked = new Set(execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).split("\n"));
    for (const file of documents) expect(tracked.has(file), file).to.equal(true);
  });
});

describe("what documents take from the code", () => {
  for (const [file, parts] of Object.entries(generated))
    for (const [name, text] of Object.entries(parts))
      it(`${file}: ${name} stands there as the code says it (npm run fix writes it)`, async () => {
        expect(sectionOf(read(file), name)).to.equal(await text());
      });
});

describe("infra/sticky.schema.json", () => {
  it("is what the configuration's schema says (npm run fix writes it)", () => {
    expect(JSON.parse(read(editorSchema.file))).to.deep.equal(JSON.parse(editorSchema.text()));
  });
});

describe("README.md", () => {
  const readme = read("README.md");

  it("makes the promise in its exact words, and says what at most once needs besides", () => {
    expect(plain(readme)).to.contain(
      "For one service and one identity at most one execution is current at a time, and one result is committed per process. " +
        "(An execution whose end is unknown, or that was forced aside, may still be running at the service; it carries a lower fence.) " +
        "An acknowledged result is never lost or contradicted. When a failure leaves it unknown whether the service ran, we say so " +
        '(executed: "unknown") and act by the route\'s policy; we never guess.',
    );
    const promise = plain(readme.slice(readme.indexOf("## The promise"), readme.indexOf("## Five uses")));
    expect(promise)
      .to.contain("honour the Idempotency-Key")
      .and.contain("Sticky-Fence")
      .and.contain("at least once");
  });

  it("has what a newcomer looks for, in this order", () => {
    const headings = [...readme.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    const wanted = [
      "When not to use it",
      "Start in a minute",
      "The promise",
      "Five uses",
      "Configuration",
      "In production",
      "Limits",
      "Peers",
    ];
    expect(headings.filter((heading) => wanted.includes(heading ?? ""))).to.deep.equal(wanted);
  });

  it("is read in one go: at most 200 lines, and each of the five uses leads to its walk-through", () => {
    expect(readme.trimEnd().split("\n").length).to.be.at.most(200);
    const uses = [...read("USES.md").matchAll(/^## (\d)\. (.+)$/gm)].map(
      ([, number, name]) => `${number}. [${name}]`,
    );
    expect(uses).to.have.lengthOf(5);
    for (const use of uses) expect(readme).to.contain(use);
  });
});

describe("API.md, OPERATIONS.md", () => {
  it("document every problem and name none that does not exist", () => {
    for (const slug of Object.keys(problemTypes)) expect(read("API.md")).to.contain(`| \`${slug}\` |`);
    for (const file of documents) {
      const named = [...read(file).matchAll(/\/_sticky\/problems\/([a-z-]+)/g)].map(([, slug = ""]) => slug);
      for (const slug of named) expect(isProblemSlug(slug), `${file}: ${slug}`).to.equal(true);
    }
  });

  it("name only metrics that the ops port has", async () => {
    const metrics = createMetrics({ version: "1", node: "n", configHash: "h", services: [], routes: [] });
    const text = await metrics.registry.metrics();
    const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const named = [...read("OPERATIONS.md").matchAll(/`(sticky_proxy_\w+)`/g)].map(([, name]) => name);
    expect(named.length).to.be.greaterThan(10);
    for (const name of named) expect(known, name).to.include(name);
  });

  it("name only configuration entries, in backticks and with a dot, that the schema has", () => {
    const entries = describeConfig().map(({ path }) => `.${path}`);
    for (const file of ["README.md", "USES.md", "API.md", "OPERATIONS.md", "CONFIGURATION.md"]) {
      const prose = read(file).replaceAll(/<!-- .*: begin -->.*?<!-- .*: end -->/gs, "");
      const named = [
        ...prose.matchAll(/`((?:redis|limits|cache|shutdown|retention|callback|callbackAuth|match)\.\w+)`/g),
      ];
      for (const [, name = ""] of named)
        expect(
          entries.some((entry) => entry.endsWith(`.${name}`)),
          `${file}: ${name}`,
        ).to.equal(true);
    }
  });
});

describe("ARCHITECTURE.md", () => {
  const text = read("ARCHITECTURE.md");

  it("names only tests that exist", () => {
    const named = [...text.matchAll(/\]\(([^)]+\.test\.ts)\) "([^"]+)"/g)];
    expect(named.length).to.be.greaterThan(20);
    for (const [, file = "", title = ""] of named) expect(read(file), file).to.contain(title);
  });

  it("shows every invariant of the state machine", () => {
    const source = read("packages/core/src/process/life.ts");
    const names = [...source.matchAll(/^ \* (P\d+) /gm)].map(([, name]) => name);
    expect(names).to.have.lengthOf(10);
    for (const name of names) expect(text).to.contain(`| ${name} |`);
  });

  it("names every rule and invariant that a comment cites", () => {
    const cited = new Set(
      readSources(root)
        .filter(({ file }) => !file.startsWith("test/docs/"))
        .flatMap(({ file }) => [...commentsOf(read(file)).matchAll(/\b([PRCODLFI][1-9]\d?)\b(?![-./\w])/g)])
        .map(([, name = ""]) => name),
    );
    expect(cited.size).to.be.greaterThan(20);
    for (const name of cited) expect(stands(name), name).to.equal(true);
  });

  /** In a table's first cell, alone or in a range such as `C1-C4`. */
  function stands(name: string): boolean {
    const [letter, number] = [name[0], Number(name.slice(1))];
    return [...text.matchAll(/^\| ([A-Z]\d+(?:(?:-|, )[A-Z]\d+)?) \|/gm)].some(([, cell = ""]) => {
      const ends = cell.split(/-|, /).map((end) => Number(end.slice(1)));
      return cell[0] === letter && number >= ends[0]! && number <= ends.at(-1)!;
    });
  }

  const commentsOf = (source: string): string =>
    [...source.matchAll(/\/\*\*?[^]*?\*\/|^\s*\/\/.*$/gm)].map(([comment]) => comment).join("\n");

  it("draws the states as the state machine does", () => {
    const drawing = /^ \* {5}(create .*?)\n \*\n/ms.exec(read("packages/core/src/process/life.ts"))?.[1];
    const bare = (lines: string): string[] =>
      lines.split("\n").map((line) => line.replace(/^ \*/, "").trim());
    expect(bare(text).join("\n")).to.contain(bare(drawing ?? "no drawing").join("\n"));
  });

  it("lists the steps of the chain in the chain's order", () => {
    const source = read("services/proxy/src/app.ts");
    const chain = source.slice(source.indexOf("const chain"), source.indexOf("new Koa"));
    const steps = [...chain.matchAll(/(\w+)\([^()]*\)(?:\]\))?, \/\/ /g)].map(([, step = ""]) =>
      step === "stickyProcess" ? "process" : step === "matchServiceStep" ? "match-service" : kebab(step),
    );
    expect(steps.length).to.be.greaterThan(8);
    const drawn = /```text\n( bare server.*?)```/s.exec(text)?.[1] ?? "";
    const listed = [...drawn.matchAll(/^ ([a-z]+(?:-[a-z]+)*) {2,}/gm)].map(([, step]) => step);
    expect(listed.filter((step) => step !== "bare")).to.deep.equal(steps);
  });

  it("maps only code that exists", () => {
    const map = text.slice(text.indexOf("## Code map"), text.indexOf("## Redis keys"));
    const rows = [...map.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)];
    expect(rows.length).to.be.greaterThan(15);
    for (const [, folder = "", about = ""] of rows) {
      expect(existsSync(join(root, folder)), folder).to.equal(true);
      for (const [, name = ""] of about.matchAll(/`([a-z0-9-]+(?:\.[a-z]+)?)`/g))
        if (/\.(?:ts|mjs)$/.test(name) || !about.includes("(`"))
          expect(existsSync(join(root, folder, name)), `${folder}/${name}`).to.equal(true);
    }
  });

  it("shows every kind of key", () => {
    const kinds = [...read("packages/store/src/keys.ts").matchAll(/^ \* {3}\{(p|meta|lock)\}:([a-z]?)/gm)];
    expect(kinds.length).to.be.greaterThan(10);
    for (const [, family = "", kind = ""] of kinds)
      expect(text).to.contain(family === "p" ? `sp:{p17}:${kind}` : `sp:{${family}}:`);
  });

  const kebab = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
});

describe("DECISIONS.md", () => {
  it("is numbered without gaps", () => {
    const numbers = [...read("DECISIONS.md").matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number));
    expect(numbers).to.deep.equal(numbers.map((_, i) => i + 1));
    expect(numbers.length).to.be.greaterThan(40);
  });

  it("says of every entry when it was decided and whether it holds, and lists it under one topic", () => {
    const text = read("DECISIONS.md");
    const entries = [...text.matchAll(/^(\d+)\. (.*)$/gm)];
    for (const [, number, line = ""] of entries)
      expect(line, number).to.match(/^\*\d{4}-\d\d-\d\d, (?:holds|replaced (?:in part )?by \d+)\.\* /);
    const rows = [...text.matchAll(/^\| [^|]+ \| (\d[\d, -]*) \|$/gm)];
    const listed = rows.flatMap(([, numbers = ""]) =>
      numbers.split(", ").flatMap((part) => {
        const [from = 0, to = from] = part.split("-").map(Number);
        return Array.from({ length: to - from + 1 }, (_, i) => from + i);
      }),
    );
    expect(listed.sort((a, b) => a - b)).to.deep.equal(entries.map(([, number]) => Number(number)));
  });

  it("gives a reason for every dependency of packages and services", () => {
    const text = read("DECISIONS.md");
    const manifests = execFileSync(
      "git",
      ["ls-files", "packages/*/package.json", "services/*/package.json"],
      {
        cwd: root,
        encoding: "utf8",
      },
    );
    const used = manifests
      .trim()
      .split("\n")
      .flatMap((file) =>
        Object.keys((JSON.parse(read(file)) as { dependencies?: object }).dependencies ?? {}),
      )
      .filter((name) => !name.startsWith("@sticky-proxy/"));
    for (const name of new Set(used)) expect(text, name).to.contain(name);
  });
});
