/** The configuration of the replica that answers, without secrets. */
import { Card, Failure, Skeleton } from "../components/parts.tsx";
import { usePoll, useTitle } from "../hooks.ts";

export function ConfigPage() {
  useTitle("Config");
  const { data, error } = usePoll<{ yaml: string }>("/config", 30_000);
  return (
    <>
      <h1>Config</h1>
      {data === undefined ? (
        error === null ? (
          <Skeleton />
        ) : (
          <Failure error={error} />
        )
      ) : (
        <Text yaml={data.yaml} />
      )}
    </>
  );
}

function Text({ yaml }: { readonly yaml: string }) {
  return (
    <Card title="sticky.yaml" about="as this replica runs it, defaults filled in, secrets left out">
      <pre class="mono body" tabIndex={0}>
        {yaml}
      </pre>
    </Card>
  );
}
