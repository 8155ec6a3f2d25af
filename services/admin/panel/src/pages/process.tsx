/** One process: what happened to it, what it was asked and answered, what may be done with it. */
import { Link } from "wouter";
import { Age, Card, Failure, ProcessId, Skeleton, Status } from "../components/parts.tsx";
import { ProcessHead } from "../components/process-head.tsx";
import { PayloadCard } from "../components/payload.tsx";
import { Timeline } from "../components/timeline.tsx";
import { clock, shortId, span } from "../format.ts";
import { usePoll, useTitle } from "../hooks.ts";
import { useMay } from "../session.ts";
import type { ProcessDetail, ProcessLine, TimelineEntry } from "../answers.ts";

export function ProcessPage({ id }: { readonly id: string }) {
  const at = `/processes/${encodeURIComponent(id)}`;
  const { head, tail } = shortId(id);
  useTitle(`${head}${tail}`);
  const { data: process, error } = usePoll<ProcessDetail>(at, 1000);
  const { data: timeline } = usePoll<{ items: readonly TimelineEntry[] }>(`${at}/timeline`, 1000);
  const { data: history } = usePoll<{ items: readonly ProcessLine[] }>(`${at}/history`, 5000);
  const maySee = useMay("operator");
  if (process === undefined || process.id !== id) {
    if (error === null) return <Skeleton />;
    return (
      <>
        <h1>
          <Link href="/processes">Processes</Link> / <span class="mono">{tail}</span>
        </h1>
        <Failure error={error} />
      </>
    );
  }
  return (
    <>
      <h1>
        <Link href="/processes">Processes</Link> / <span class="mono">{tail.slice(1)}</span>
      </h1>
      <ProcessHead process={process} />
      <div class="columns">
        <div>
          <Timeline process={process} entries={timeline?.items ?? []} />
          {maySee && (
            <div class="pair">
              {process.requestKept ? <PayloadCard id={id} kind="request" /> : <Missing title="Request" />}
              {process.resultKept ? <PayloadCard id={id} kind="result" /> : <Missing title="Result" />}
            </div>
          )}
        </div>
        <div>
          <Facts process={process} />
          <History current={id} items={history?.items ?? []} />
        </div>
      </div>
    </>
  );
}

function Missing({ title }: { readonly title: string }) {
  return (
    <Card title={title}>
      <p class="pad quiet">Not kept.</p>
    </Card>
  );
}

function Facts({ process }: { readonly process: ProcessDetail }) {
  const trace = process.traceparent?.split("-")[1];
  const facts: readonly (readonly [string, preact.ComponentChildren])[] = [
    [
      "Executed",
      <strong class={process.executed === "unknown" ? "unknown" : ""}>
        {process.executed ?? "not yet"}
      </strong>,
    ],
    ["Took", process.tookMs === null ? "runs" : span(process.tookMs)],
    [
      "Identity",
      process.identity === "key"
        ? "the client's key"
        : process.identity === "request"
          ? "fingerprint of the request"
          : "none",
    ],
    ["Credential", process.hasCredential ? "came with one" : "none was sent"],
    ["Route", process.route],
    ["Attempt", `${process.attempt} of ${process.maxAttempts}`],
    ["Owner", process.owner ?? "none"],
    ["Fence", <span class="mono">{process.fence}</span>],
    ["Job", process.jobId === null ? "none" : <span class="mono">{process.jobId}</span>],
    ["Deadline", <Moment time={process.deadlineTime} />],
    ["Next attempt", <Moment time={process.nextAttemptTime} />],
    ["Result kept", <Moment time={process.expireTime} />],
    [
      "Webhook",
      process.webhook === null
        ? "none"
        : `${process.webhook.endpoint}: ${process.webhook.state}, ${process.webhook.attempts} tries`,
    ],
    ["Second backend", process.mirror ?? "not mirrored"],
    ["Run again of", process.rerunOf === null ? "–" : <ProcessId id={process.rerunOf} />],
    ["Replaced by", process.supersededBy === null ? "–" : <ProcessId id={process.supersededBy} />],
    ["Trace", trace === undefined ? "–" : <span class="mono">{trace}</span>],
  ];
  return (
    <Card title="Facts">
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

function Moment({ time }: { readonly time: string | null }) {
  if (time === null) return <span class="quiet">–</span>;
  return <time dateTime={time}>{`${time.slice(0, 10)} ${clock(Date.parse(time)).slice(0, 8)} UTC`}</time>;
}

function History({ current, items }: { readonly current: string; readonly items: readonly ProcessLine[] }) {
  return (
    <Card
      title="This request's history"
      about={items.length === 1 ? "1 process" : `${items.length} processes`}
    >
      <ul class="history">
        {items.map((one) => (
          <li key={one.id} class={one.id === current ? "marked" : ""}>
            <Status status={one.status} phase={one.phase} />
            <ProcessId id={one.id} />
            <Age time={one.createTime} />
          </li>
        ))}
      </ul>
    </Card>
  );
}
