/** The second backend: the sum of what was compared, the places that differ, and one difference side by side. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, queryText } from "../api.ts";
import { ActionDialog, type Act } from "../components/dialog.tsx";
import { Icon } from "../components/icons.tsx";
import { Age, Card, Chip, Count, Empty, Failure, ProcessId, Skeleton } from "../components/parts.tsx";
import { DataTable, type Column } from "../components/table.tsx";
import { count, percent } from "../format.ts";
import { useFilters, usePoll, useTitle } from "../hooks.ts";
import { useMay } from "../session.ts";
import type { Coverage, DifferenceGroup, DifferenceView, Page } from "../answers.ts";

const coverageColumns: readonly Column<Coverage>[] = [
  { name: "Service", area: "a", cell: ({ service }) => <strong>{service}</strong> },
  { name: "Route", area: "c", cell: ({ route }) => <span class="mono cut">{route}</span> },
  { name: "Eligible", numeric: true, cell: ({ eligible }) => count(eligible) },
  { name: "Alike", numeric: true, cell: ({ matched, masked }) => count(matched + masked) },
  {
    name: "Different",
    numeric: true,
    area: "b",
    cell: ({ different }) => <Count value={different} tone="bad" />,
  },
  { name: "Race", numeric: true, cell: ({ race }) => count(race, "–") },
  { name: "No answer", numeric: true, cell: ({ failed }) => <Count value={failed} tone="bad" /> },
  {
    name: "Skipped",
    numeric: true,
    cell: ({ skipped }) =>
      count(
        Object.values(skipped).reduce((a, b) => a + b, 0),
        "–",
      ),
  },
  { name: "Pending", numeric: true, cell: ({ pending }) => count(pending, "–") },
  {
    name: "Compared alike",
    numeric: true,
    area: "d",
    cell: (row) => percent(row.eligible === 0 ? null : (row.matched + row.masked) / row.eligible),
  },
];

const placeColumns: readonly Column<DifferenceGroup>[] = [
  { name: "Count", numeric: true, area: "b", cell: (group) => <strong>{count(group.count)}</strong> },
  {
    name: "Place",
    area: "a",
    cell: ({ path, class: kind }) => <span class="mono">{path === "" ? kind : path}</span>,
  },
  { name: "Class", area: "c", cell: ({ class: kind }) => kind },
  { name: "Service", area: "d", cell: ({ service }) => service },
  { name: "Route", cell: ({ route }) => <span class="mono cut">{route}</span> },
  { name: "Guess", cell: ({ path }) => <span class="quiet">{guess(path)}</span> },
];

/** What differs always and looks like what services make up for themselves. */
function guess(path: string): string {
  if (/(?:^|\/)(?:\w*_)?id$/i.test(path)) return "map ids?";
  if (/(?:time|date|_at|At|stamp)$/.test(path)) return "a time: mask it?";
  if (/(?:uuid|nonce|etag|request_?id|trace)/i.test(path)) return "made up per answer: mask it?";
  return "";
}

export function MirrorPage() {
  useTitle("Differences");
  const [filters, change] = useFilters();
  const { since = "24h", place, pair, class: kind, id } = filters;
  const coverage = usePoll<{ rows: readonly Coverage[] }>(
    `/mirror${queryText({ since, service: pair })}`,
    3000,
  );
  const groups = usePoll<{ groups: readonly DifferenceGroup[] }>(
    `/mirror/groups${queryText({ since })}`,
    3000,
  );
  const newest = usePoll<Page<DifferenceView>>(
    `/mirror/differences${queryText({ since, service: pair, place, class: kind, pageSize: 50 })}`,
    3000,
  );
  const shown = (groups.data?.groups ?? []).filter(({ service }) => pair === undefined || service === pair);
  const services = [...new Set((coverage.data?.rows ?? []).map(({ service }) => service))];
  const chosen = newest.data?.items.find((one) => one.id === id) ?? newest.data?.items[0];

  return (
    <>
      <h1>Differences</h1>
      <div class="filters">
        <Chip
          name="Since"
          value={since}
          any="all kept"
          options={["1h", "6h", "24h", "7d"]}
          onChange={(value) => change({ since: value })}
        />
        <Chip name="Pair" value={pair} options={services} onChange={(value) => change({ pair: value })} />
        {place !== undefined && (
          <button type="button" class="chip on" onClick={() => change({ place: null })}>
            Place <span class="mono">{place}</span> <Icon name="close" />
          </button>
        )}
      </div>
      <Card
        title="Coverage"
        about="alike, different, race, no answer, skipped and pending add up to eligible"
      >
        {coverage.data === undefined ? (
          coverage.error === null ? (
            <Skeleton rows={2} />
          ) : (
            <Failure error={coverage.error} />
          )
        ) : coverage.data.rows.length === 0 ? (
          <Empty>
            Nothing was compared. A route with `mirror`, or `serve --mirror`, sends a copy to a second
            backend.
          </Empty>
        ) : (
          <DataTable
            label="Coverage"
            columns={coverageColumns}
            rows={coverage.data.rows}
            keyOf={(row) => `${row.service} ${row.route}`}
          />
        )}
      </Card>
      {shown.length > 0 && (
        <Card title="Places" about="most frequent first">
          <DataTable
            label="Places that differ"
            columns={placeColumns}
            rows={shown}
            keyOf={(group) => JSON.stringify([group.service, group.route, group.class, group.path])}
            isMarked={({ path, class: one }) => path === place && (kind === undefined || one === kind)}
            onOpen={({ path, class: one }) => {
              change(path === place ? { place: null, class: null } : { place: path || null, class: one });
            }}
          />
        </Card>
      )}
      {chosen !== undefined && <Compare difference={chosen} />}
      {newest.data !== undefined && newest.data.items.length > 0 && (
        <Card title="Newest" about={place === undefined ? "" : `at ${place}`}>
          <DataTable
            label="Differences"
            columns={itemColumns}
            rows={newest.data.items}
            keyOf={(one) => one.id}
            isMarked={(one) => one.id === chosen?.id}
            onOpen={(one) => change({ id: one.id })}
          />
        </Card>
      )}
      <Parked />
    </>
  );
}

const itemColumns: readonly Column<DifferenceView>[] = [
  { name: "Age", area: "b", numeric: true, cell: ({ time }) => <Age time={time} /> },
  { name: "Class", area: "a", cell: ({ class: kind }) => kind },
  { name: "Service", area: "c", cell: ({ service }) => service },
  { name: "Operation", area: "d", cell: ({ operation }) => <span class="mono cut">{operation}</span> },
  {
    name: "Where",
    cell: ({ edits }) => <span class="mono cut">{edits.map(({ path }) => path).join(" ")}</span>,
  },
  {
    name: "Looked at",
    cell: ({ acknowledged }) => (acknowledged === null ? <span class="quiet">–</span> : acknowledged.by),
  },
];

function Compare({ difference }: { readonly difference: DifferenceView }) {
  const [act, setAct] = useState<Act | null>(null);
  const client = useQueryClient();
  const mayAct = useMay("operator");
  const { sides, edits, id, acknowledged } = difference;
  return (
    <Card
      title={`${difference.service} → ${difference.secondary}`}
      about={<span class="mono">{difference.operation}</span>}
      actions={
        <>
          {difference.processId !== null && <ProcessId id={difference.processId} />}
          {mayAct && acknowledged === null && (
            <button
              type="button"
              onClick={() =>
                setAct({
                  verb: "Acknowledge",
                  what: "It counts as looked at; its record stays.",
                  command: `sticky-proxy mirror ack ${id}`,
                  run: (reason) =>
                    call("POST", `/mirror/differences/${encodeURIComponent(id)}:acknowledge`, {
                      body: { reason },
                    }),
                  onDone: () => void client.invalidateQueries(),
                })
              }
            >
              Acknowledge…
            </button>
          )}
        </>
      }
    >
      <div class="table-box">
        <table aria-label="Side by side">
          <thead>
            <tr>
              <th scope="col">Place</th>
              <th scope="col">Primary</th>
              <th scope="col">Second backend</th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <td class="area-a">status</td>
              <td class="area-c">{sides.primary.status ?? sides.primary.error}</td>
              <td class="area-d">{sides.secondary.status ?? sides.secondary.error}</td>
            </tr>
            {edits.map((edit) => (
              <tr key={`${edit.part} ${edit.path}`}>
                <td class="area-a mono">{edit.part === "body" ? edit.path : `${edit.part} ${edit.path}`}</td>
                <td class="area-c mono side">{edit.primary ?? <span class="quiet">(none)</span>}</td>
                <td class="area-d mono side differs">
                  {edit.secondary ?? <span class="quiet">(none)</span>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {difference.truncated && <p class="pad quiet">There are more: the comparison stopped at its bound.</p>}
      {acknowledged !== null && (
        <p class="pad quiet">
          Looked at by {acknowledged.by}: {acknowledged.note}
        </p>
      )}
      {act !== null && <ActionDialog act={act} onClose={() => setAct(null)} />}
    </Card>
  );
}

interface ParkedKey {
  readonly key: string;
  readonly parkedTime: string;
  readonly reason?: string;
  readonly lastError?: string;
}

function Parked() {
  const { data } = usePoll<{ items: readonly ParkedKey[] }>("/mirror/parked", 5000);
  const [act, setAct] = useState<Act | null>(null);
  const client = useQueryClient();
  const mayAct = useMay("operator");
  if (data === undefined || data.items.length === 0) return null;
  const columns: readonly Column<ParkedKey>[] = [
    { name: "Key", area: "a", cell: ({ key }) => <span class="mono cut">{key}</span> },
    { name: "Parked", area: "b", numeric: true, cell: ({ parkedTime }) => <Age time={parkedTime} /> },
    {
      name: "Acts",
      area: "c",
      hidden: true,
      cell: ({ key }) =>
        mayAct && (
          <>
            <button
              type="button"
              onClick={() =>
                setAct({
                  verb: "Try again",
                  what: "The key's copies are sent again, oldest first, with fresh tries.",
                  command: `sticky-proxy mirror unpark '${key}'`,
                  run: (reason) =>
                    call("POST", `/mirror/parked/${encodeURIComponent(key)}:unpark`, { body: { reason } }),
                  onDone: () => void client.invalidateQueries(),
                })
              }
            >
              Try again…
            </button>{" "}
            <button
              type="button"
              onClick={() =>
                setAct({
                  verb: "Skip",
                  what: "The key's first copy is never sent: the second backend lacks it. Later copies go on.",
                  command: `sticky-proxy mirror skip '${key}' --why '…'`,
                  run: (reason) =>
                    call("POST", `/mirror/parked/${encodeURIComponent(key)}:skip`, { body: { reason } }),
                  onDone: () => void client.invalidateQueries(),
                })
              }
            >
              Skip…
            </button>
          </>
        ),
    },
  ];
  return (
    <Card title="Parked keys" about="copies of these wait, in order, for somebody">
      <DataTable label="Parked keys" columns={columns} rows={data.items} keyOf={({ key }) => key} />
      {act !== null && <ActionDialog act={act} onClose={() => setAct(null)} />}
    </Card>
  );
}
