/** Processes, newest first over all services and statuses. */
import { useState } from "react";
import { useLocation } from "wouter";
import { queryText } from "../api.ts";
import {
  Age,
  Chip,
  Empty,
  ExecutedWord,
  Failure,
  Outcome,
  ProcessId,
  Segmented,
  Skeleton,
  Status,
  TextChip,
} from "../components/parts.tsx";
import { DataTable, Pager, type Column } from "../components/table.tsx";
import { count, span } from "../format.ts";
import { useFilters, usePoll, useTitle } from "../hooks.ts";
import type { ProcessLine, ProcessPage } from "../answers.ts";

export const processColumns: readonly Column<ProcessLine>[] = [
  { name: "Status", area: "a", cell: ({ status, phase }) => <Status status={status} phase={phase} /> },
  { name: "Service", area: "c", cell: ({ service }) => <strong>{service}</strong> },
  { name: "Operation", area: "d", cell: ({ operation }) => <span class="mono cut">{operation}</span> },
  { name: "Process", cell: ({ id }) => <ProcessId id={id} /> },
  { name: "Outcome", cell: (process) => <Outcome process={process} /> },
  { name: "Executed", cell: ({ executed }) => <ExecutedWord executed={executed} /> },
  {
    name: "Attempt",
    numeric: true,
    cell: ({ attempt, maxAttempts }) => (
      <>
        {attempt} <span class="quiet">/ {maxAttempts}</span>
      </>
    ),
  },
  {
    name: "Took",
    numeric: true,
    cell: ({ tookMs }) => (tookMs === null ? <span class="quiet">–</span> : span(tookMs)),
  },
  { name: "Created", numeric: true, area: "b", cell: ({ createTime }) => <Age time={createTime} /> },
];

const statuses = ["pending", "in-progress", "completed", "failed", "cancelled"] as const;
const times = [
  ["15m", "last 15 min"],
  ["1h", "last hour"],
  ["6h", "last 6 hours"],
  ["24h", "last 24 hours"],
] as const;
const tooks = [
  ["1s-", "1 s or more"],
  ["10s-", "10 s or more"],
  ["1m-", "1 min or more"],
  ["1h-", "1 hour or more"],
] as const;

export function ProcessesPage() {
  useTitle("Processes");
  const [filters, change] = useFilters();
  const [tokens, setTokens] = useState<readonly string[]>([]);
  const [, navigate] = useLocation();
  const { status, service, route, operation, executed, reason, attempt, took, created } = filters;
  const filter = { status, service, route, operation, executed, reason, attempt, took, created };
  const path = `/processes${queryText({ ...filter, pageSize: 50, pageToken: tokens.at(-1) })}`;
  const { data, error } = usePoll<ProcessPage>(path, 2000);
  const set = (changes: Readonly<Record<string, string | null>>): void => {
    setTokens([]);
    change(changes);
  };
  const drop = (): void => {
    setTokens([]);
    change(Object.fromEntries(Object.keys(filter).map((name) => [name, null])));
  };
  const isFiltered = Object.values(filter).some((value) => value !== undefined);

  return (
    <>
      <h1>Processes</h1>
      <FilterBar filters={filter} data={data} onChange={set} />
      <div class="card">
        {data === undefined ? (
          error === null ? (
            <Skeleton rows={12} />
          ) : (
            <Failure error={error} />
          )
        ) : data.items.length === 0 && data.nextPageToken === null ? (
          <Empty onDrop={isFiltered ? drop : undefined}>
            {isFiltered
              ? "Nothing matches."
              : "No process is kept. A request to a route with processes or an Idempotency-Key makes one."}
          </Empty>
        ) : (
          <DataTable
            label="Processes"
            columns={processColumns}
            rows={data.items}
            keyOf={({ id }) => id}
            onOpen={({ id }) => navigate(`/processes/${encodeURIComponent(id)}`)}
          />
        )}
        {data !== undefined && (
          <Pager
            shown={data.items.length}
            total={data.totalSize}
            scanned={data.scanned ?? null}
            onOlder={data.nextPageToken === null ? null : () => setTokens([...tokens, data.nextPageToken!])}
            onNewest={tokens.length === 0 ? null : () => setTokens([])}
          />
        )}
      </div>
    </>
  );
}

interface FilterBarProps {
  readonly filters: Readonly<Record<string, string | undefined>>;
  readonly data: ProcessPage | undefined;
  readonly onChange: (changes: Readonly<Record<string, string | null>>) => void;
}

function FilterBar({ filters, data, onChange }: FilterBarProps) {
  const total = Object.values(data?.counts ?? {}).reduce((sum, number) => sum + number, 0);
  return (
    <div class="filters">
      <Segmented
        label="Status"
        value={filters.status ?? "all"}
        options={[
          { value: "all", text: `All ${count(total)}` },
          ...statuses.map((value) => ({
            value,
            text: `${value.replace("-", " ")} ${count(data?.counts[value] ?? 0)}`,
          })),
        ]}
        onChange={(value) => onChange({ status: value === "all" ? null : value })}
      />
      <Chip
        name="Created"
        value={filters.created}
        any="any time"
        options={times}
        onChange={(value) => onChange({ created: value })}
      />
      <Chip
        name="Service"
        value={filters.service}
        options={data?.services ?? []}
        onChange={(value) => onChange({ service: value })}
      />
      <Chip
        name="Executed"
        value={filters.executed}
        options={["no", "yes", "unknown"]}
        onChange={(value) => onChange({ executed: value })}
      />
      <Chip
        name="Attempts"
        value={filters.attempt}
        options={[
          ["2-", "2 or more"],
          ["3-", "3 or more"],
        ]}
        onChange={(value) => onChange({ attempt: value })}
      />
      <Chip
        name="Took"
        value={filters.took}
        options={tooks}
        onChange={(value) => onChange({ took: value })}
      />
      <TextChip
        name="Operation"
        value={filters.operation}
        onChange={(value) => onChange({ operation: value })}
      />
      <TextChip name="Reason" value={filters.reason} onChange={(value) => onChange({ reason: value })} />
    </div>
  );
}
