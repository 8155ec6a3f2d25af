/** What is going on now: what needs a look first, numbers after. */
import { Link } from "wouter";
import { Icon } from "../components/icons.tsx";
import { Sparkline } from "../components/chart.tsx";
import { Charts } from "../components/charts.tsx";
import { Card, Count, Failure, Skeleton } from "../components/parts.tsx";
import { RangeChoice } from "../components/range.tsx";
import { DataTable, type Column } from "../components/table.tsx";
import { bytes, count, percent, plural, short, span } from "../format.ts";
import { usePoll, useSeries, useTitle } from "../hooks.ts";
import type { Attention, Overview, Series } from "../answers.ts";

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
  const { range, setRange, data: series } = useSeries(null);
  return (
    <>
      <div class="title">
        <h1>Overview</h1>
        <RangeChoice range={range} onChange={setRange} />
      </div>
      {data !== undefined ? (
        <>
          <NeedsALook found={data.needsALook} checks={data.checks} />
          {series !== undefined && <Numbers data={series} range={range} />}
          {series !== undefined && <Charts data={series} />}
          <Kept data={data} />
        </>
      ) : isPending && error === null ? (
        <Skeleton />
      ) : (
        <Failure error={error} />
      )}
    </>
  );
}

/** What was counted in the range. */
function Numbers({ data, range }: { readonly data: Series; readonly range: string }) {
  const { series, totals, step, lastStep } = data;
  const total = (name: keyof Series["totals"]): number => totals[name] ?? 0;
  const points = series.requests ?? [];
  const seconds = (points.filter((value) => value !== null).length * step - (step - lastStep)) / 1000;
  const share = (part: number, all: number): string => (all === 0 ? "–" : short((100 * part) / all));
  return (
    <dl class="tiles">
      <Tile
        name="Requests"
        value={seconds <= 0 ? "–" : short(total("requests") / seconds)}
        unit="/s"
        about={`${count(total("requests"))} in ${range}`}
        spark={[series.requests, "series-1"]}
      />
      <Tile
        name="Answered with 5xx"
        value={share(total("errors.server"), total("requests"))}
        unit="%"
        about={plural(total("errors.server"), "answer")}
        spark={[series["errors.server"], "series-6"]}
      />
      <Tile
        name="Service p95"
        value={totals["service.p95"] == null ? "–" : span(totals["service.p95"])}
        about={
          totals["service.p50"] == null ? "no service was asked" : `median ${span(totals["service.p50"])}`
        }
        spark={[series["service.p95"], "series-1"]}
      />
      <Tile
        name="Executions saved"
        value={count(total("requests.saved"))}
        about={`${count(total("saved.replayed"))} replayed, ${count(total("saved.joined"))} joined`}
        spark={[series["requests.saved"], "series-2"]}
      />
      <Tile
        name="Cache hits"
        value={share(total("cache.hits"), total("cache.requests"))}
        unit="%"
        about={plural(total("cache.requests"), "request")}
        spark={[series["cache.hits"], "series-2"]}
      />
    </dl>
  );
}

/** What is there now. */
function Kept({ data }: { readonly data: Overview }) {
  const kept = data.services.reduce(
    (sum, { counts }) => sum + Object.values(counts).reduce((a, b) => a + b, 0),
    0,
  );
  const running = data.services.reduce((sum, service) => sum + service.running, 0);
  return (
    <>
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

interface TileProps {
  readonly name: string;
  readonly value: string;
  readonly unit?: string;
  readonly about: string;
  readonly tone?: string;
  readonly spark?: readonly [values: readonly (number | null)[] | undefined, color: string];
}

function Tile({ name, value, unit, about, tone = "", spark }: TileProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={spark === undefined ? "" : "with-spark"}>
        <span>
          <strong class={tone}>{value}</strong>
          {unit !== undefined && value !== "–" && <span class="unit"> {unit}</span>}
        </span>
        {spark?.[0] !== undefined && <Sparkline values={spark[0]} color={spark[1]} />}
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
