/** The shared cache: what is stored of a URL and why not, what is used most, purges. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, call } from "../api.ts";
import { ActionDialog, type Act } from "../components/dialog.tsx";
import { Icon } from "../components/icons.tsx";
import { Card, Empty, Failure, Skeleton } from "../components/parts.tsx";
import { DataTable, type Column } from "../components/table.tsx";
import { bytes, count, span } from "../format.ts";
import { usePoll, useTitle } from "../hooks.ts";
import { useMay } from "../session.ts";
import type { CacheKey } from "../answers.ts";

interface TopKey {
  readonly key: string;
  readonly url: string;
  readonly hits: number;
  readonly bytes: number;
}

type Kind = "url" | "prefix" | "tag" | "service" | "all";

const topColumns: readonly Column<TopKey>[] = [
  { name: "URL", area: "a", cell: ({ url }) => <span class="mono cut">{url}</span> },
  { name: "Hits", numeric: true, area: "b", cell: ({ hits }) => count(hits) },
  { name: "Size", numeric: true, area: "c", cell: (key) => bytes(key.bytes) },
];

export function CachePage() {
  useTitle("Cache");
  const { data, error } = usePoll<{ totalBytes: number; top: readonly TopKey[] }>("/cache?count=50", 5000);
  return (
    <>
      <h1>Cache</h1>
      <Explain />
      <Purge />
      <Card title="Most used" about={data === undefined ? "" : `${bytes(data.totalBytes)} kept`}>
        {data === undefined ? (
          error === null ? (
            <Skeleton rows={4} />
          ) : (
            <Failure error={error} />
          )
        ) : data.top.length === 0 ? (
          <Empty>Nothing is stored. A route with `cache` stores what RFC 9111 allows.</Empty>
        ) : (
          <DataTable label="Most used keys" columns={topColumns} rows={data.top} keyOf={({ key }) => key} />
        )}
      </Card>
    </>
  );
}

function Explain() {
  const [url, setUrl] = useState("");
  const [answer, setAnswer] = useState<{ readonly keys: readonly CacheKey[] } | string | null>(null);
  async function look(): Promise<void> {
    try {
      setAnswer(
        await call<{ keys: readonly CacheKey[] }>("POST", "/cache:explain", { body: { url: url.trim() } }),
      );
    } catch (error) {
      setAnswer(error instanceof ApiError ? error.message : "The admin service does not answer.");
    }
  }
  return (
    <Card title="Explain a URL" about="what is stored of it, and why the last answer was not">
      <form
        class="line pad"
        onSubmit={(event) => {
          event.preventDefault();
          void look();
        }}
      >
        <label class="field grow">
          <span>URL or path</span>
          <input
            type="text"
            value={url}
            maxLength={8192}
            placeholder="/shop/products?page=2"
            onInput={(event) => setUrl(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={url.trim() === ""}>
          Explain
        </button>
      </form>
      <div aria-live="polite">
        {typeof answer === "string" && <p class="pad warning">{answer}</p>}
        {answer !== null && typeof answer !== "string" && answer.keys.length === 0 && (
          <p class="pad">
            The cache knows nothing of it: it was not asked for, it was purged, or it has gone by itself.
          </p>
        )}
        {answer !== null &&
          typeof answer !== "string" &&
          answer.keys.map((key) => <Explained key={key.key} found={key} />)}
      </div>
    </Card>
  );
}

function Explained({ found }: { readonly found: CacheKey }) {
  return (
    <div class="pad explained">
      <p>
        <strong>{found.service}</strong> · {count(found.hits)} hits
      </p>
      {found.notStored !== null && (
        <p class="status warn">
          <Icon name="warn" /> The last answer was not stored: {found.notStored}
        </p>
      )}
      <ul>
        {found.variants.map((variant, i) => (
          <li key={i}>
            <span class={`status ${variant.isStale ? "warn" : "ok"}`}>
              <Icon name={variant.isStale ? "backing-off" : "completed"} />
              {variant.isStale ? `stale for ${span(-variant.ttlMs)}` : `fresh for ${span(variant.ttlMs)}`}
            </span>{" "}
            {variant.status} · {bytes(variant.bytes)} · age {span(variant.ageMs)} · lifetime from{" "}
            {variant.lifetimeFrom}
            {variant.varyNames.length > 0 && ` · one for each ${variant.varyNames.join(", ")}`}
            {variant.tags.length > 0 && <span class="quiet"> · tags {variant.tags.join(", ")}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Purge() {
  const [kind, setKind] = useState<Kind>("url");
  const [value, setValue] = useState("");
  const [isSoft, setSoft] = useState(false);
  const [act, setAct] = useState<Act | null>(null);
  const [done, setDone] = useState<string | null>(null);
  const client = useQueryClient();
  const [mayPurge, mayPurgeAll] = [useMay("operator"), useMay("admin")];
  if (!mayPurge) return null;
  const kinds: readonly Kind[] = mayPurgeAll
    ? ["url", "prefix", "tag", "service", "all"]
    : ["url", "prefix", "tag"];
  const target = kind === "all" ? "everything" : `${kind} ${value.trim()}`;
  return (
    <Card title="Purge">
      <form
        class="line pad"
        onSubmit={(event) => {
          event.preventDefault();
          setAct({
            verb: isSoft ? "Mark stale" : "Purge",
            what: isSoft
              ? `What is stored for ${target} is stale from now on and kept for validation.`
              : `What is stored for ${target} is fetched anew by the next request, on every replica.`,
            command: `sticky-proxy cache purge ${kind === "all" ? "--all" : `--${kind} '${value.trim()}'`}${isSoft ? " --soft" : ""}`,
            async run(reason) {
              const body = {
                target: kind === "all" ? { kind } : { kind, value: value.trim() },
                soft: isSoft,
                reason,
              };
              const { held } = await call<{ held: boolean | null }>("POST", "/cache:purge", { body });
              setDone(held === false ? "Done; nothing was stored for it." : "Done on every replica.");
            },
            onDone: () => void client.invalidateQueries(),
          });
        }}
      >
        <label class="field">
          <span>By</span>
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value as Kind)}>
            {kinds.map((one) => (
              <option key={one} value={one}>
                {one === "all" ? "everything" : one}
              </option>
            ))}
          </select>
        </label>
        {kind !== "all" && (
          <label class="field grow">
            <span>{kind === "tag" ? "Tag" : kind === "service" ? "Service" : "URL or path"}</span>
            <input
              type="text"
              value={value}
              maxLength={8192}
              onInput={(event) => setValue(event.currentTarget.value)}
            />
          </label>
        )}
        <label class="check">
          <input
            type="checkbox"
            checked={isSoft}
            onChange={(event) => setSoft(event.currentTarget.checked)}
          />{" "}
          keep for validation
        </label>
        <button type="submit" disabled={kind !== "all" && value.trim() === ""}>
          Purge…
        </button>
      </form>
      <p class="pad quiet" aria-live="polite">
        {done}
      </p>
      {act !== null && <ActionDialog act={act} onClose={() => setAct(null)} />}
    </Card>
  );
}
