/** Replicas: who is alive, since when, with which configuration. */
import { Icon } from "../components/icons.tsx";
import { Age, Card, Empty, Failure, Skeleton } from "../components/parts.tsx";
import { DataTable, type Column } from "../components/table.tsx";
import { usePoll, useTitle } from "../hooks.ts";
import type { ReplicaView } from "../answers.ts";

export function ReplicasPage() {
  useTitle("Replicas");
  const { data, error } = usePoll<{ isDrifting: boolean; items: readonly ReplicaView[] }>("/replicas", 2000);
  if (data === undefined)
    return (
      <>
        <h1>Replicas</h1>
        {error === null ? <Skeleton /> : <Failure error={error} />}
      </>
    );
  const usual = mostFrequent(data.items.map(({ config }) => config));
  const columns: readonly Column<ReplicaView>[] = [
    { name: "Replica", area: "a", cell: ({ id }) => <strong>{id}</strong> },
    { name: "Role", area: "c", cell: ({ role }) => role },
    { name: "Version", cell: ({ version }) => version },
    {
      name: "Configuration",
      area: "d",
      cell: ({ config }) =>
        config === usual ? (
          <span class="mono">{config}</span>
        ) : (
          <span class="status warn">
            <Icon name="warn" />
            <span class="mono">{config}</span> differs
          </span>
        ),
    },
    { name: "Up since", numeric: true, area: "b", cell: ({ startTime }) => <Age time={startTime} /> },
  ];
  return (
    <>
      <h1>Replicas</h1>
      <Card title="Live" about={data.isDrifting ? "their configurations differ" : "one configuration"}>
        {data.items.length === 0 ? (
          <Empty>No replica has said that it lives.</Empty>
        ) : (
          <DataTable label="Replicas" columns={columns} rows={data.items} keyOf={({ id }) => id} />
        )}
      </Card>
    </>
  );
}

function mostFrequent(words: readonly string[]): string | undefined {
  return [...Map.groupBy(words, (word) => word)].sort(([, a], [, b]) => b.length - a.length)[0]?.[0];
}
