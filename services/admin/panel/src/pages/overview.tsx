/** What is going on now: what needs a look first, numbers after. */
import { Link } from "wouter";
import { Icon } from "../components/icons.tsx";
import { Card, Count, Failure, Skeleton } from "../components/parts.tsx";
import { DataTable, type Column } from "../components/table.tsx";
import { bytes, count, percent, plural, span } from "../format.ts";
import { usePoll, useTitle } from "../hooks.ts";
import type { Attention, Overview } from "../answers.ts";

const icons: Readonly<Record<string, string>> = {
  "instance-down": "services",
  "breaker-open": "services",
  paused: "backing-off",
  "executed-unknown": "unknown",
  "callback-overdue": "awaiting-callback",
  differences: "mirror",
  "config-drift": "config",
  "no-sweeper": "replicas",
  "cache-store": "cache",
  stuck: "in-progress",
};

type ServiceLine = Overview["services"][number];

const serviceColumns: readonly Column<ServiceLine>[] = [
  {
    name: "Service",
    area: "a",
    cell: ({ name }) => <Link href={`/services/${encodeURIComponent(name)}`}>{name}</Link>,
  },
  {
    name: "Instances",
    area: "b",
    cell: ({ instances, down, open }) => (
      <span class={`status ${down.length > 0 || open.length > 0 ? "bad" : "ok"}`}>
        <Icon name={down.length > 0 || open.length > 0 ? "failed" : "completed"} />
        {instances - down.length} of {instances}
        {open.length > 0 && ", circuit open"}
      </span>
    ),
  },
  { name: "Running", numeric: true, area: "c", cell: ({ running }) => <Count value={running} /> },
  {
    name: "Oldest",
    numeric: true,
    cell: ({ oldestMs }) => (oldestMs === null ? <span class="quiet">–</span> : span(oldestMs)),
  },
  { name: "Completed", numeric: true, cell: ({ counts }) => count(counts.completed, "–") },
  {
    name: "Failed",
    numeric: true,
    area: "d",
    cell: ({ counts }) => <Count value={counts.failed} tone="bad" />,
  },
  { name: "Cancelled", numeric: true, cell: ({ counts }) => count(counts.cancelled, "–") },
];

export function OverviewPage() {
  useTitle("Overview");
  const { data, error, isPending } = usePoll<Overview>("/overview", 2000);
  return (
    <>
      <h1>Overview</h1>
      {data !== undefined ? (
        <Numbers data={data} />
      ) : isPending && error === null ? (
        <Skeleton />
      ) : (
        <Failure error={error} />
      )}
    </>
  );
}

function Numbers({ data }: { readonly data: Overview }) {
  const kept = data.services.reduce(
    (sum, { counts }) => sum + Object.values(counts).reduce((a, b) => a + b, 0),
    0,
  );
  const running = data.services.reduce((sum, service) => sum + service.running, 0);
  return (
    <>
      <NeedsALook found={data.needsALook} checks={data.checks} />
      <dl class="tiles">
        <Tile name="Running" value={count(running)} about={`${plural(kept, "process", "processes")} kept`} />
        <Tile
          name="Dead letters"
          value={count(data.deadLetters)}
          about="somebody should look"
          tone={data.deadLetters > 0 ? "bad" : ""}
        />
        <Tile name="Replicas" value={count(data.replicas.length)} about={roleSum(data.replicas)} />
        <Tile name="Second backend" value={coverageWord(data)} about="alike, last 24 h" />
        <Tile
          name="Cache"
          value={data.cacheBytes === null ? "away" : bytes(data.cacheBytes)}
          about="kept for everybody"
        />
      </dl>
      <Card title="Services">
        {data.services.length === 0 ? (
          <p class="pad quiet">No service is configured.</p>
        ) : (
          <DataTable
            label="Services"
            columns={serviceColumns}
            rows={data.services}
            keyOf={({ name }) => name}
          />
        )}
      </Card>
    </>
  );
}

function NeedsALook({ found, checks }: { readonly found: readonly Attention[]; readonly checks: number }) {
  const failing = new Set(found.map(({ check }) => check)).size;
  return (
    <Card title="Needs a look" about={`${failing} of ${checks} checks`}>
      {found.length === 0 ? (
        <p class="pad status ok">
          <Icon name="completed" /> All is quiet.
        </p>
      ) : (
        <ul class="look">
          {found.map((one) => (
            <li key={`${one.check} ${one.what} ${one.detail}`}>
              <span class={one.level}>
                <Icon name={icons[one.check] ?? "failed"} label={one.level} />
              </span>
              <span class="say">
                <strong>{one.what}</strong> · {one.detail}
              </span>
              <span class="quiet when">{one.sinceMs === null ? "" : `last ${span(one.sinceMs)}`}</span>
              <Link href={one.link}>Open</Link>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Tile({
  name,
  value,
  about,
  tone = "",
}: {
  readonly name: string;
  readonly value: string;
  readonly about: string;
  readonly tone?: string;
}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <strong class={tone}>{value}</strong>
        <span class="quiet">{about}</span>
      </dd>
    </div>
  );
}

function roleSum(replicas: Overview["replicas"]): string {
  return [...Map.groupBy(replicas, ({ role }) => role)]
    .map(([role, all]) => `${all.length} ${role}`)
    .join(", ");
}

function coverageWord({ coverage }: Overview): string {
  const eligible = coverage.reduce((sum, row) => sum + row.eligible, 0);
  if (eligible === 0) return "–";
  return percent(coverage.reduce((sum, row) => sum + row.matched + row.masked, 0) / eligible);
}
