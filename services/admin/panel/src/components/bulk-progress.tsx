/** Bulk jobs that run or have just ended: how far, what came of them, and Stop. */
import { useQueryClient } from "@tanstack/react-query";
import { call } from "../api.ts";
import { count, span } from "../format.ts";
import { usePoll } from "../hooks.ts";
import { useMay } from "../session.ts";
import { Age, Card } from "./parts.tsx";

interface BulkJob {
  readonly id: string;
  readonly action: string;
  readonly actor: string;
  readonly state: string;
  readonly count: number | null;
  readonly done: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly etaMs: number | null;
  readonly reason: string | null;
  readonly endTime: string | null;
  readonly error: string | null;
}

const shownForMs = 10 * 60_000;

export function BulkProgress() {
  const { data } = usePoll<{ items: readonly BulkJob[] }>("/bulk", 1000);
  const shown = (data?.items ?? []).filter(
    ({ state, endTime, reason }) =>
      reason !== null &&
      state !== "planned" &&
      (endTime === null || Date.now() - Date.parse(endTime) < shownForMs),
  );
  return (
    <>
      {shown.slice(0, 3).map((job) => (
        <Job key={job.id} job={job} />
      ))}
    </>
  );
}

function Job({ job }: { readonly job: BulkJob }) {
  const client = useQueryClient();
  const mayAct = useMay("operator");
  const total = job.count ?? 0;
  const isRunning = job.endTime === null;
  return (
    <Card
      title={`${job.action[0]!.toUpperCase()}${job.action.slice(1)} ${count(total)}`}
      about={`by ${job.actor}: ${job.reason ?? ""}`}
      actions={
        isRunning &&
        mayAct && (
          <button
            type="button"
            disabled={job.state === "cancelling"}
            onClick={() =>
              void call("POST", `/bulk/${job.id}:cancel`).finally(() => void client.invalidateQueries())
            }
          >
            {job.state === "cancelling" ? "Stopping…" : "Stop"}
          </button>
        )
      }
    >
      <div class="pad" aria-live="polite">
        <progress max={Math.max(1, total)} value={job.done} aria-label="done" />
        <p>
          <strong>{job.state}</strong> · {count(job.done)} done, {count(Math.max(0, total - job.done))} left
          {job.etaMs !== null && ` · about ${span(job.etaMs)}`}
          {job.endTime !== null && (
            <>
              {" "}
              · <Age time={job.endTime} /> ago
            </>
          )}
        </p>
        <p class="quiet">
          {Object.entries(job.counts)
            .map(([word, number]) => `${word.replaceAll("-", " ")} ${count(number)}`)
            .join(" · ")}
          {job.error}
        </p>
      </div>
    </Card>
  );
}
