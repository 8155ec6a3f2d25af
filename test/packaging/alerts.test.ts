/** infra/prometheus: rules about metrics that there are, each with a runbook and a test; and promtool, where the distribution has it. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createMetrics } from "@sticky-proxy/runtime";
import { expect } from "chai";
import { parse } from "yaml";

const root = path.join(import.meta.dirname, "../..");
const folder = path.join(root, "infra/prometheus");
const read = (file: string): unknown => parse(readFileSync(path.join(folder, file), "utf8"));

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

interface Tests {
  readonly tests: readonly {
    readonly alert_rule_test: readonly {
      readonly alertname: string;
      readonly exp_alerts: readonly unknown[];
    }[];
  }[];
}

const rules = (read("alerts.yml") as { groups: readonly { rules: readonly Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);

/** Every name that a scrape shows, with its labels; a histogram's as its three series. */
async function exported(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const { registry } = createMetrics({ version: "1", node: "n", configHash: "", services: [], routes: [] });
  const names = new Map<string, ReadonlySet<string>>();
  for (const { name, type } of await registry.getMetricsAsJSON()) {
    const { labelNames } = registry.getSingleMetric(name) as unknown as { labelNames: readonly string[] };
    const labels = new Set(labelNames);
    if (String(type) !== "histogram") names.set(name, labels);
    else {
      for (const end of ["_count", "_sum"]) names.set(name + end, labels);
      names.set(`${name}_bucket`, new Set([...labels, "le"]));
    }
  }
  return names;
}

/** Labels that Prometheus adds to each series. */
const added: readonly string[] = ["instance", "job"];

describe("the alert rules", () => {
  it("ask for metrics that there are, by labels that they have", async () => {
    const names = await exported();
    for (const { alert, expr } of rules) {
      const asked = [...expr.matchAll(/\b(sticky_proxy_\w+)(?:\{([^}]*)\})?/g)];
      if (asked.length === 0) expect(expr, alert).to.match(/^(absent\()?up\{/);
      const labels = new Set(asked.flatMap(([, name = ""]) => [...(names.get(name) ?? [])]));
      for (const [, name = "", matchers = ""] of asked) {
        expect([...names.keys()], alert).to.include(name);
        for (const [, label = ""] of matchers.matchAll(/(\w+)\s*[=!]/g))
          expect([...names.get(name)!], `${alert}: ${name}`).to.include(label);
      }
      for (const [, by = ""] of expr.matchAll(/\bby \(([^)]*)\)/g))
        for (const label of by.split(/,\s*/)) expect([...labels, ...added], alert).to.include(label);
    }
  });

  it("match values of labels that there are", async () => {
    const { registry } = createMetrics({
      version: "1",
      node: "n",
      configHash: "",
      services: ["s"],
      routes: [{ service: "s", route: "r" }],
    });
    const scraped = await registry.metrics();
    const words = (name: string, label: string): Set<string> =>
      new Set(
        [...scraped.matchAll(new RegExp(`^${name}\\{.*?\\b${label}="([^"]*)"`, "gm"))].map(
          ([, word = ""]) => word,
        ),
      );
    for (const { alert, expr } of rules) {
      for (const [, name = "", matchers = ""] of expr.matchAll(/\b(sticky_proxy_\w+_total)\{([^}]*)\}/g)) {
        for (const [, label = "", wanted = ""] of matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g))
          for (const word of wanted.split("|"))
            expect([...words(name, label)], `${alert}: ${name}`).to.include(word);
      }
    }
  });

  it("cover services, replicas, Redis, cache, processes and the mirror", () => {
    const asked = rules.map(({ expr }) => expr).join("\n");
    for (const name of [
      "instance_state",
      "redis_up",
      "cache_requests_total",
      "upstream_request_duration_seconds_bucket",
      "cache_store_errors_total",
      "executions_unknown_total",
      "dead_letters",
      "duties_total",
      "mirror_differences_total",
      "mirror_lag_seconds",
      "mirror_dropped_total",
    ])
      expect(asked).to.include(`sticky_proxy_${name}`);
  });

  it("have a severity, a summary and a place in OPERATIONS.md that says what to do", () => {
    const operations = readFileSync(path.join(root, "OPERATIONS.md"), "utf8");
    const headings = [...operations.matchAll(/^### (StickyProxy\w+)\n\n\S/gm)].map(([, name]) => name);
    expect(headings).to.deep.equal(rules.map(({ alert }) => alert));
    for (const { alert, labels, annotations } of rules) {
      expect(labels.severity, alert).to.match(/^(critical|warning)$/);
      expect(annotations.summary, alert).to.match(/\S/);
      expect(annotations.runbook).to.equal(`OPERATIONS.md#${alert.toLowerCase()}`);
    }
  });

  it("are each tried when all is wrong, where they fire, and when all is well, where none does", () => {
    const names = rules.map(({ alert }) => alert);
    const [wrong, well] = (read("alerts.test.yml") as Tests).tests.map(({ alert_rule_test: tried }) => tried);
    expect(wrong!.filter((one) => one.exp_alerts.length > 0).map((one) => one.alertname)).to.deep.equal(
      names,
    );
    expect(well!.filter((one) => one.exp_alerts.length === 0).map((one) => one.alertname)).to.deep.equal(
      names,
    );
  });

  const promtool = process.env["STICKY_TEST_PROMTOOL"];
  if (promtool !== undefined) {
    for (const args of [
      ["check", "rules", "alerts.yml"],
      ["check", "config", "prometheus.yml"],
      ["test", "rules", "alerts.test.yml"],
    ]) {
      it(`promtool ${args.join(" ")}`, function () {
        this.timeout(60_000);
        const { status, stdout, stderr } = spawnSync(promtool, args, { cwd: folder, encoding: "utf8" });
        expect(status, `${stdout}${stderr}`).to.equal(0);
      });
    }
  }
});
