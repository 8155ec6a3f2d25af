/** Dead letters: groups first, then the items of the chosen one, then what to do about all of them. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { call, queryText } from "../api.ts";
import { BulkProgress } from "../components/bulk-progress.tsx";
import { ActionDialog, type Act } from "../components/dialog.tsx";
import { Icon } from "../components/icons.tsx";
import {
  Age,
  Card,
  Chip,
  Empty,
  ExecutedWord,
  Failure,
  ProcessId,
  Segmented,
  Skeleton,
} from "../components/parts.tsx";
import { DataTable, Pager, type Column } from "../components/table.tsx";
import { count } from "../format.ts";
import { useFilters, usePoll, useTitle } from "../hooks.ts";
import { useMay } from "../session.ts";
import type { DeadLetterGroup, Page, ProcessLine } from "../answers.ts";

const atTheService = { no: "did not run", yes: "ran", unknown: "unknown" } as const;

const keyOf = (group: DeadLetterGroup): string =>
  JSON.stringify([group.service, group.operation, group.class, group.reason, group.executed]);

function Bars({ values }: { readonly values: readonly number[] }) {
  const most = Math.max(1, ...values);
  return (
    <svg
      class="bars"
      width="92"
      height="18"
      viewBox="0 0 92 18"
      role="img"
      aria-label={`last 30 minutes: ${values.join(", ")}`}
    >
      <path d="M0 17.5h92" stroke="var(--line)" stroke-dasharray="2 2" />
      {values.map((value, i) =>
        value === 0 ? null : (
          <rect
            key={i}
            x={i * 3}
            y={17 - Math.max(2, (value / most) * 16)}
            width="2"
            height={Math.max(2, (value / most) * 16)}
            fill="var(--bad)"
          />
        ),
      )}
    </svg>
  );
}

const groupColumns: readonly Column<DeadLetterGroup>[] = [
  { name: "Count", numeric: true, area: "a", cell: (group) => <strong>{count(group.count)}</strong> },
  { name: "Service", area: "c", cell: ({ service }) => <strong>{service}</strong> },
  { name: "Operation", area: "d", cell: ({ operation }) => <span class="mono cut">{operation}</span> },
  { name: "Reason", cell: ({ reason }) => reason },
  {
    name: "At the service",
    cell: ({ executed }) => <ExecutedWord executed={executed} words={atTheService} />,
  },
  { name: "Last 30 min", cell: ({ perMinute }) => <Bars values={perMinute} /> },
  { name: "Newest", numeric: true, area: "b", cell: ({ newestAt }) => <Age time={newestAt} /> },
  {
    name: "Requests",
    numeric: true,
    cell: (group) => (group.kept === group.count ? "all kept" : `${group.kept} kept`),
  },
];

const itemColumns: readonly Column<ProcessLine>[] = [
  { name: "Process", area: "a", cell: ({ id }) => <ProcessId id={id} /> },
  { name: "Service", area: "c", cell: ({ service }) => <strong>{service}</strong> },
  { name: "Operation", area: "d", cell: ({ operation }) => <span class="mono cut">{operation}</span> },
  { name: "Answer", cell: ({ httpStatus, reason, problem }) => httpStatus ?? reason ?? problem },
  { name: "Attempts", numeric: true, cell: ({ attempt, maxAttempts }) => `${attempt} / ${maxAttempts}` },
  { name: "Ended", numeric: true, area: "b", cell: ({ endTime }) => <Age time={endTime} /> },
  { name: "Request", cell: ({ requestKept }) => (requestKept ? "kept" : "not kept") },
];

export function DeadLettersPage() {
  useTitle("Dead letters");
  const [filters, change] = useFilters();
  const { service, class: kind, executed, reason } = filters;
  const [tokens, setTokens] = useState<readonly string[]>([]);
  const [, navigate] = useLocation();
  const wanted = { service, class: kind, executed, reason };
  const groups = usePoll<{ groups: readonly DeadLetterGroup[]; total: number; isCapped: boolean }>(
    `/dead-letters/groups${queryText(wanted)}`,
    3000,
  );
  const items = usePoll<Page<ProcessLine>>(
    `/dead-letters${queryText({ ...wanted, pageSize: 50, pageToken: tokens.at(-1) })}`,
    3000,
  );
  const set = (changes: Readonly<Record<string, string | null>>): void => {
    setTokens([]);
    change(changes);
  };
  const all = groups.data?.groups ?? [];
  const isFiltered = Object.values(wanted).some((value) => value !== undefined);
  const drop = (): void => set({ service: null, class: null, executed: null, reason: null });
  const services = [...new Set(all.map((group) => group.service))];

  return (
    <>
      <h1>Dead letters</h1>
      <div class="filters">
        <Segmented
          label="Class"
          value={kind ?? "all"}
          options={["all", "upstream", "callback", "internal"].map((value) => ({
            value,
            text: value === "all" ? "All" : value,
          }))}
          onChange={(value) => set({ class: value === "all" ? null : value })}
        />
        <Chip
          name="Service"
          value={service}
          options={services}
          onChange={(value) => set({ service: value })}
        />
        <Chip
          name="Executed"
          value={executed}
          options={["no", "yes", "unknown"]}
          onChange={(value) => set({ executed: value })}
        />
        <Chip
          name="Reason"
          value={reason}
          options={[...new Set(all.map((group) => group.reason))]}
          onChange={(value) => set({ reason: value })}
        />
      </div>
      <BulkProgress />
      {groups.data === undefined ? (
        groups.error === null ? (
          <Skeleton />
        ) : (
          <Failure error={groups.error} />
        )
      ) : all.length === 0 ? (
        <div class="card">
          <Empty onDrop={isFiltered ? drop : undefined}>
            {isFiltered
              ? "Nothing matches."
              : "No dead letters: what failed was answered, and nobody needs to look."}
          </Empty>
        </div>
      ) : (
        <Groups groups={all} isCapped={groups.data.isCapped} chosen={wanted} onChoose={set} />
      )}
      {items.data !== undefined && items.data.items.length > 0 && (
        <Card title={isFiltered ? [service, reason].filter(Boolean).join(" · ") || "Items" : "Newest"}>
          <DataTable
            label="Dead letters"
            columns={itemColumns}
            rows={items.data.items}
            keyOf={({ id }) => id}
            onOpen={({ id }) => navigate(`/processes/${encodeURIComponent(id)}`)}
          />
          <Pager
            shown={items.data.items.length}
            total={null}
            scanned={null}
            onOlder={
              items.data.nextPageToken === null
                ? null
                : () => setTokens([...tokens, items.data.nextPageToken!])
            }
            onNewest={tokens.length === 0 ? null : () => setTokens([])}
          />
        </Card>
      )}
    </>
  );
}

interface GroupsProps {
  readonly groups: readonly DeadLetterGroup[];
  readonly isCapped: boolean;
  readonly chosen: {
    readonly service?: string | undefined;
    readonly reason?: string | undefined;
    readonly executed?: string | undefined;
  };
  readonly onChoose: (changes: Readonly<Record<string, string | null>>) => void;
}

function Groups({ groups, isCapped, chosen, onChoose }: GroupsProps) {
  const isChosen = ({ service, reason, executed }: DeadLetterGroup): boolean =>
    service === chosen.service && reason === chosen.reason && executed === chosen.executed;
  return (
    <Card
      title="Groups"
      about={
        isCapped
          ? "same service, operation and reason; the newest 10 000"
          : "same service, operation and reason"
      }
      actions={<BulkButtons groups={groups.filter(isChosen)} />}
    >
      <DataTable
        label="Groups of dead letters"
        columns={groupColumns}
        rows={groups}
        keyOf={keyOf}
        isMarked={isChosen}
        onOpen={(group) =>
          onChoose(
            isChosen(group)
              ? { service: null, reason: null, executed: null }
              : { service: group.service, reason: group.reason, executed: group.executed },
          )
        }
      />
    </Card>
  );
}

interface Plan {
  readonly id: string;
  readonly state: string;
  readonly count: number;
}

/** All of a chosen group at once: planned on the server, started with the count that was seen. */
function BulkButtons({ groups }: { readonly groups: readonly DeadLetterGroup[] }) {
  const [act, setAct] = useState<Act | null>(null);
  const client = useQueryClient();
  const mayAct = useMay("operator");
  const sum = groups.reduce((total, group) => total + group.count, 0);
  const [first] = groups;
  if (!mayAct || first === undefined) return <span class="quiet">choose a group to act on all of it</span>;
  const filter = {
    service: first.service,
    reason: first.reason,
    executed: first.executed,
    class: first.class,
  };
  const flags = `--service ${first.service} --reason ${first.reason} --executed ${first.executed}`;
  const start = (action: string) => async (reason: string) => {
    let plan = await call<Plan>("POST", "/bulk", { body: { action, filter } });
    while (plan.state === "planning") {
      await new Promise((resolve) => setTimeout(resolve, 300));
      plan = await call<Plan>("GET", `/bulk/${plan.id}`);
    }
    await call("POST", `/bulk/${plan.id}:start`, { body: { reason, count: plan.count } });
  };
  const onDone = (): void => void client.invalidateQueries();
  return (
    <>
      <span class="quiet">{count(sum)} selected</span>
      <button
        type="button"
        onClick={() =>
          setAct({
            verb: `Discard ${sum}`,
            what: `Nobody needs to look at these ${sum} any more; none of them runs again.`,
            count: sum,
            command: `sticky-proxy dlq discard ${flags} --yes`,
            run: start("discard"),
            onDone,
          })
        }
      >
        Discard…
      </button>
      <button
        type="button"
        class={first.executed === "no" ? "primary" : "danger"}
        onClick={() =>
          setAct({
            verb: `Redrive ${sum}`,
            what: `The requests of these ${sum} are sent again, one after the other.`,
            mayRepeat: first.executed !== "no",
            count: sum,
            command: `sticky-proxy dlq redrive ${flags} --yes`,
            run: start("redrive"),
            onDone,
          })
        }
      >
        <Icon name="again" /> Redrive {count(sum)}…
      </button>
      {act !== null && <ActionDialog act={act} onClose={() => setAct(null)} />}
    </>
  );
}
