/** Services: instances with their state, circuit, pause, and the routes in words. */
import { Link } from "wouter";
import { Charts } from "../components/charts.tsx";
import { Icon } from "../components/icons.tsx";
import { Age, Card, Empty, Failure, Skeleton } from "../components/parts.tsx";
import { RangeChoice } from "../components/range.tsx";
import { DataTable, type Column } from "../components/table.tsx";
import { count, plural, span } from "../format.ts";
import { usePoll, useSeries, useTitle } from "../hooks.ts";
import type { ServiceView } from "../answers.ts";

type Instance = ServiceView["instances"][number];
type RouteLine = ServiceView["routes"][number];

const tones: Readonly<Record<string, readonly [string, string]>> = {
  up: ["ok", "completed"],
  down: ["bad", "failed"],
  unknown: ["off", "pending"],
};

const instanceColumns: readonly Column<Instance>[] = [
  { name: "Instance", area: "a", cell: ({ name }) => <strong>{name}</strong> },
  {
    name: "State",
    area: "b",
    cell: ({ state, isBreakerOpen }) => {
      const [tone, icon] = isBreakerOpen ? ["bad", "failed"] : (tones[state] ?? ["off", "pending"]);
      return (
        <span class={`status ${tone}`}>
          <Icon name={icon!} />
          {isBreakerOpen ? "circuit open" : state === "unknown" ? "not checked" : state}
        </span>
      );
    },
  },
  { name: "Reason", area: "c", cell: ({ reason }) => <span class="quiet">{reason}</span> },
  { name: "Checked", numeric: true, cell: ({ checkTime }) => <Age time={checkTime} /> },
  { name: "Address", area: "d", cell: ({ origin }) => <span class="mono">{origin}</span> },
  { name: "Weight", numeric: true, cell: ({ weight }) => weight },
];

const routeColumns: readonly Column<RouteLine>[] = [
  { name: "Route", area: "a", cell: ({ name }) => <strong>{name}</strong> },
  {
    name: "Requests",
    area: "c",
    cell: ({ methods, path }) => (
      <span class="mono">{`${methods.length === 0 ? "any" : methods.join(" ")} ${path}`}</span>
    ),
  },
  { name: "Policy", area: "d", cell: (route) => policy(route) },
];

function policy({ process, isCached, isMirrored }: RouteLine): string {
  const parts = [
    process === null
      ? null
      : process.identity === "key"
        ? "the same key runs once"
        : process.identity === "request"
          ? "the same request runs once"
          : "every request is a process",
    isCached ? "cached" : null,
    isMirrored ? "copied to a second backend" : null,
  ].filter((part) => part !== null);
  return parts.length === 0 ? "passed on" : parts.join(", ");
}

export function ServicesPage({ only }: { readonly only?: string }) {
  useTitle(only ?? "Services");
  const { data, error } = usePoll<{ items: readonly ServiceView[] }>("/services", 3000);
  const { range, setRange, data: series } = useSeries(only ?? null);
  if (data === undefined)
    return (
      <>
        <h1>{only ?? "Services"}</h1>
        {error === null ? <Skeleton /> : <Failure error={error} />}
      </>
    );
  const shown = data.items.filter(({ name }) => only === undefined || name === only);
  return (
    <>
      <div class="title">
        <h1>
          {only === undefined ? (
            "Services"
          ) : (
            <>
              <Link href="/services">Services</Link> / {only}
            </>
          )}
        </h1>
        {shown.length > 0 && <RangeChoice range={range} onChange={setRange} />}
      </div>
      {shown.length === 0 && (
        <div class="card">
          <Empty>{only === undefined ? "No service is configured." : `There is no service ${only}.`}</Empty>
        </div>
      )}
      {shown.map((service) => (
        <Card
          key={service.name}
          title={
            only === undefined ? (
              <Link href={`/services/${encodeURIComponent(service.name)}`}>{service.name}</Link>
            ) : (
              service.name
            )
          }
          about={aboutOf(service)}
          actions={<Link href={`/processes?service=${encodeURIComponent(service.name)}`}>Its processes</Link>}
        >
          {service.instances.length > 0 && (
            <DataTable
              label={`Instances of ${service.name}`}
              columns={instanceColumns}
              rows={service.instances}
              keyOf={({ name }) => name}
            />
          )}
          {service.routes.length > 0 && (
            <DataTable
              label={`Routes of ${service.name}`}
              columns={routeColumns}
              rows={service.routes}
              keyOf={({ name }) => name}
            />
          )}
        </Card>
      ))}
      {shown.length > 0 && series !== undefined && <Charts data={series} />}
    </>
  );
}

function aboutOf({ isConfigured, pausedMs, isBreakerOpen, counts }: ServiceView): string {
  const kept = Object.values(counts).reduce((sum, number) => sum + number, 0);
  return [
    isConfigured ? null : "not in this replica's configuration any more",
    pausedMs > 0 ? `paused for another ${span(pausedMs)}` : null,
    isBreakerOpen ? "its circuit is open" : null,
    plural(kept, "process kept", "processes kept").replace(String(kept), count(kept)),
  ]
    .filter((part) => part !== null)
    .join(" · ");
}
