/** Who did what to what, when and why. */
import { useState } from "react";
import { queryText } from "../api.ts";
import { Age, Chip, Empty, Failure, Skeleton, TextChip } from "../components/parts.tsx";
import { DataTable, Pager, type Column } from "../components/table.tsx";
import { useFilters, usePoll, useTitle } from "../hooks.ts";
import type { AuditLine, Page } from "../answers.ts";

const columns: readonly Column<AuditLine>[] = [
  { name: "When", area: "b", cell: ({ time }) => <Age time={time} /> },
  { name: "Who", area: "a", cell: ({ actor }) => <strong>{actor}</strong> },
  { name: "Role", cell: ({ role }) => role },
  { name: "From", cell: ({ source, address }) => `${source} ${address}` },
  { name: "Action", area: "c", cell: ({ action }) => action },
  { name: "Target", area: "d", cell: ({ target }) => <span class="mono cut">{target}</span> },
  { name: "Reason", cell: ({ reason }) => reason },
  { name: "Result", cell: ({ result }) => result ?? <span class="quiet">under way, or broken off</span> },
];

const actions = [
  "process.",
  "dead-letter.",
  "cache.",
  "difference.",
  "mirror.",
  "token.",
  "bulk.",
  "service.",
];

export function AuditPage() {
  useTitle("Audit");
  const [filters, change] = useFilters();
  const { actor, action, target, since } = filters;
  const [tokens, setTokens] = useState<readonly string[]>([]);
  const wanted = { actor, action, target, since };
  const { data, error } = usePoll<Page<AuditLine>>(
    `/audit${queryText({ ...wanted, pageSize: 50, pageToken: tokens.at(-1) })}`,
    5000,
  );
  const set = (changes: Readonly<Record<string, string | null>>): void => {
    setTokens([]);
    change(changes);
  };
  const isFiltered = Object.values(wanted).some((value) => value !== undefined);
  return (
    <>
      <h1>Audit</h1>
      <div class="filters">
        <Chip
          name="Since"
          value={since}
          any="all kept"
          options={["1h", "24h", "7d", "30d"]}
          onChange={(value) => set({ since: value })}
        />
        <Chip
          name="Action"
          value={action}
          options={actions.map((one) => [one, one.slice(0, -1)] as const)}
          onChange={(value) => set({ action: value })}
        />
        <TextChip name="Who" value={actor} onChange={(value) => set({ actor: value })} />
        <TextChip name="Target" value={target} onChange={(value) => set({ target: value })} />
      </div>
      <div class="card">
        {data === undefined ? (
          error === null ? (
            <Skeleton />
          ) : (
            <Failure error={error} />
          )
        ) : data.items.length === 0 ? (
          <Empty
            onDrop={
              isFiltered ? () => set({ actor: null, action: null, target: null, since: null }) : undefined
            }
          >
            {isFiltered
              ? "Nothing matches."
              : "Nobody has done anything yet. Every action of panel, API and command line stands here."}
          </Empty>
        ) : (
          <DataTable label="Audit" columns={columns} rows={data.items} keyOf={({ id }) => id} />
        )}
        {data !== undefined && (
          <Pager
            shown={data.items.length}
            total={null}
            scanned={null}
            onOlder={data.nextPageToken === null ? null : () => setTokens([...tokens, data.nextPageToken!])}
            onNewest={tokens.length === 0 ? null : () => setTokens([])}
          />
        )}
      </div>
    </>
  );
}
