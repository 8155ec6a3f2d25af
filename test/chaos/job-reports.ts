/**
 * How the run's service reports a job's end: in time, before its own 202, late, never, twice at once on two replicas
 * (alike or not), or after a forged one. As documented, it tries again while it gets no answer or a 503.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Report } from "./history.ts";
import type { Random } from "./random.ts";

interface Job {
  readonly processId: string;
  readonly token: string;
  readonly body: string;
}

const patienceMs = 2000;
const maxTries = 15;

export function jobReports(random: Random, leaseMs: number) {
  const reports: Report[] = [];
  const underWay = new Set<Promise<void>>();
  let urls: readonly string[] = [];

  async function tell(job: Job, own: Random, forged: boolean): Promise<Report["answer"]> {
    try {
      const response = await fetch(`${own.pick(urls)}/_sticky/v1/executions/${job.processId}/complete`, {
        method: "POST",
        signal: AbortSignal.timeout(patienceMs),
        headers: {
          "Content-Type": "text/plain",
          "Sticky-Execution": forged
            ? job.token.replace(/.$/, (last) => (last === "A" ? "B" : "A"))
            : job.token,
        },
        body: job.body,
      });
      const text = await response.text();
      if (response.status === 401) return "unauthorized";
      if (response.status === 409) return "stale";
      if (response.status !== 200) return null;
      return (JSON.parse(text) as { duplicate?: boolean }).duplicate === true ? "duplicate" : "accepted";
    } catch {
      return null; // the replica died, stands still, or cut the connection
    }
  }

  async function report(job: Job, own: Random, forged = false): Promise<void> {
    for (let tries = 1; tries <= maxTries; tries += 1) {
      const answer = await tell(job, own, forged);
      reports.push({ processId: job.processId, body: job.body, forged, answer });
      if (answer !== null) return;
      await delay(200);
    }
  }

  async function reportAsSeeded(job: Job, own: Random, dice: number): Promise<void> {
    if (dice < 0.05) return; // never: the deadline ends it
    await delay(dice < 0.2 ? 0 : dice < 0.3 ? own.between(leaseMs, 3 * leaseMs) : own.between(0, 300));
    if (dice > 0.9) await report({ ...job, body: "forged" }, own.branch("forged"), true);
    const other = dice > 0.8 && dice < 0.9 ? { ...job, body: `${job.body}, otherwise` } : job;
    await Promise.all([
      report(job, own.branch("first")),
      ...(dice > 0.7 && dice < 0.9 ? [report(other, own.branch("second"))] : []),
    ]);
  }

  return {
    reports: reports as readonly Report[],
    reportTo(replicas: readonly string[]): void {
      urls = replicas;
    },
    /** @returns when the service's 202 goes out; some reports are earlier */
    take(job: Job, onEnd: () => void): { readonly acceptAfterMs: number } {
      const dice = random.next();
      const own = random.branch(job.body);
      const reporting: Promise<void> = reportAsSeeded(job, own, dice).finally(() => {
        onEnd();
        underWay.delete(reporting);
      });
      underWay.add(reporting);
      return { acceptAfterMs: dice < 0.2 ? random.between(50, 200) : random.between(0, 30) };
    },
    async reported(): Promise<void> {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}
