/** What an operator should look at now: one sentence each, worst first. Pure. */
import { pending, type CoverageRow } from "@sticky-proxy/core/mirror";

export interface ServiceFinding {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly running: number;
  /** Age of its oldest process in progress, ms; null: none. */
  readonly oldestMs: number | null;
  /** How many instances are configured. */
  readonly instances: number;
  /** Names of those that the prober found down. */
  readonly down: readonly string[];
  /** Instances whose circuit some replica holds open. */
  readonly open: readonly string[];
  readonly pausedMs: number;
}

export interface Findings {
  readonly now: number;
  readonly services: readonly ServiceFinding[];
  readonly replicas: readonly { readonly id: string; readonly role: string; readonly config: string }[];
  readonly coverage: readonly CoverageRow[];
  readonly deadLetters: {
    readonly total: number;
    readonly groups: readonly {
      readonly service: string;
      readonly operation: string;
      readonly class: string;
      readonly reason: string;
      readonly executed: string;
      readonly count: number;
      readonly newestAt: number;
    }[];
  };
  /** null: the cache's store does not answer. */
  readonly cacheBytes: number | null;
}

export interface Attention {
  readonly check: string;
  readonly level: "bad" | "unknown" | "warn";
  readonly what: string;
  readonly detail: string;
  /** Of the newest occurrence or of the state, ms; null: not known. */
  readonly sinceMs: number | null;
  /** Page of the panel with its filter. */
  readonly link: string;
}

type Check = (found: Findings) => readonly Attention[];

const stuckMs = 3_600_000;
const days = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;

const instancesDown: Check = ({ services }) =>
  services
    .filter(({ down }) => down.length > 0)
    .map(({ name, down, instances }) => ({
      check: "instance-down",
      level: "bad",
      what: `${down.join(", ")} ${down.length === 1 ? "does" : "do"} not answer`,
      detail: `${name} runs on ${instances - down.length} of ${instances}`,
      sinceMs: null,
      link: `/services/${encodeURIComponent(name)}`,
    }));

const deadLetters: Check = ({ deadLetters: { groups }, now }) =>
  groups
    .filter(({ executed, class: kind }) => executed === "no" && kind !== "callback")
    .slice(0, 3)
    .map((group) => ({
      check: "dead-letters",
      level: "bad",
      what: days(group.count, "dead letter"),
      detail: `${group.service} ${group.operation}: ${group.reason}; not executed, safe to redrive`,
      sinceMs: now - group.newestAt,
      link: deadLetterLink(group),
    }));

const executedUnknown: Check = ({ deadLetters: { groups }, now }) =>
  groups
    .filter(({ executed, class: kind }) => executed !== "no" && kind !== "callback")
    .slice(0, 3)
    .map((group) => ({
      check: "executed-unknown",
      level: "unknown",
      what: `${days(group.count, "process").replace(/processs$/, "processes")} ended ${group.executed === "yes" ? "after the service ran them" : "unknown"}`,
      detail: `${group.service} ${group.operation}: ${group.reason}; a retry may run a second time`,
      sinceMs: now - group.newestAt,
      link: deadLetterLink(group),
    }));

const callbacksOverdue: Check = ({ deadLetters: { groups }, now }) =>
  groups
    .filter(({ class: kind }) => kind === "callback")
    .slice(0, 3)
    .map((group) => ({
      check: "callback-overdue",
      level: "bad",
      what: `${days(group.count, "callback")} never came`,
      detail: `${group.service} ${group.operation}: ${group.reason}`,
      sinceMs: now - group.newestAt,
      link: deadLetterLink(group),
    }));

const stuck: Check = ({ services }) =>
  services
    .filter(({ oldestMs }) => oldestMs !== null && oldestMs > stuckMs)
    .map(({ name, oldestMs, running }) => ({
      check: "stuck",
      level: "warn",
      what: `The oldest process of ${name} runs for more than an hour`,
      detail: `${running} are running`,
      sinceMs: oldestMs,
      link: `/processes?service=${encodeURIComponent(name)}&status=in-progress`,
    }));

const breakers: Check = ({ services }) =>
  services
    .filter(({ open }) => open.length > 0)
    .map(({ name, open }) => ({
      check: "breaker-open",
      level: "bad",
      what: `The circuit of ${name} is open`,
      detail: open.join(", "),
      sinceMs: null,
      link: `/services/${encodeURIComponent(name)}`,
    }));

const paused: Check = ({ services }) =>
  services
    .filter(({ pausedMs }) => pausedMs > 0)
    .map(({ name, pausedMs }) => ({
      check: "paused",
      level: "warn",
      what: `${name} is paused`,
      detail: `for another ${Math.ceil(pausedMs / 1000)} s`,
      sinceMs: null,
      link: `/services/${encodeURIComponent(name)}`,
    }));

const differences: Check = ({ coverage }) =>
  coverage
    .filter(({ coverage: sum }) => sum.different > 0 || sum.failed > 0)
    .map(({ service, route, coverage: sum }) => ({
      check: "differences",
      level: "warn",
      what: `${service} and its second backend disagree`,
      detail: `${route}: ${sum.different} of ${sum.eligible} differ, ${sum.failed} without an answer, ${pending(sum)} pending`,
      sinceMs: null,
      link: `/mirror?pair=${encodeURIComponent(service)}`,
    }));

const drift: Check = ({ replicas }) =>
  new Set(replicas.map(({ config }) => config)).size < 2
    ? []
    : [
        {
          check: "config-drift",
          level: "warn",
          what: "Replicas run different configurations",
          detail: replicas.map(({ id, config }) => `${id} ${config}`).join(", "),
          sinceMs: null,
          link: "/replicas",
        },
      ];

const noSweeper: Check = ({ replicas }) =>
  replicas.length === 0 || replicas.some(({ role }) => role === "sweeper")
    ? []
    : [
        {
          check: "no-sweeper",
          level: "bad",
          what: "No sweeper runs",
          detail: "alarms, retries and take-overs wait until one does",
          sinceMs: null,
          link: "/replicas",
        },
      ];

const cacheAway: Check = ({ cacheBytes }) =>
  cacheBytes !== null
    ? []
    : [
        {
          check: "cache-store",
          level: "warn",
          what: "The cache's store does not answer",
          detail: "requests go to the services",
          sinceMs: null,
          link: "/cache",
        },
      ];

const checks: readonly Check[] = [
  instancesDown,
  deadLetters,
  executedUnknown,
  callbacksOverdue,
  breakers,
  noSweeper,
  paused,
  stuck,
  differences,
  drift,
  cacheAway,
];

export function needsALook(found: Findings): {
  readonly checks: number;
  readonly failing: readonly Attention[];
} {
  return { checks: checks.length, failing: checks.flatMap((check) => check(found)) };
}

function deadLetterLink(group: {
  readonly service: string;
  readonly reason: string;
  readonly executed: string;
}) {
  return `/dead-letters?${new URLSearchParams({ service: group.service, reason: group.reason, executed: group.executed }).toString()}`;
}
