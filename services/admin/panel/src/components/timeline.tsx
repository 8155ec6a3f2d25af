/** What happened to a process: a waterfall of waiting and attempts, and the events in words. */
import { clock, span } from "../format.ts";
import type { ProcessDetail, TimelineEntry } from "../answers.ts";
import { Icon } from "./icons.tsx";
import { Card } from "./parts.tsx";

interface Event {
  readonly at: number;
  readonly event: string;
  readonly about: string;
}

const words: Readonly<Record<string, readonly [string, string]>> = {
  created: ["pending", ""],
  dispatched: ["arrow", "run"],
  accepted: ["awaiting-callback", "run"],
  "backing-off": ["backing-off", "warn"],
  completed: ["completed", "ok"],
  responded: ["completed", "ok"],
  "called-back": ["completed", "ok"],
  refused: ["failed", "warn"],
  "reported-failure": ["failed", "bad"],
  overdue: ["failed", "bad"],
  orphaned: ["failed", "bad"],
  probing: ["unknown", "warn"],
  superseded: ["again", ""],
  "operator-cancel": ["cancelled", "warn"],
  "operator-rerun": ["again", "warn"],
  failed: ["failed", "bad"],
  cancelled: ["cancelled", ""],
  "callback-unauthorized": ["warn", "bad"],
  "late-report": ["arrow", "warn"],
  "duplicate-report": ["again", "ok"],
};

export function Timeline({
  process,
  entries,
}: {
  readonly process: ProcessDetail;
  readonly entries: readonly TimelineEntry[];
}) {
  const events = eventsOf(process, entries);
  const start = events[0]?.at ?? 0;
  return (
    <Card title="Timeline" about={`${clock(start)} UTC`}>
      <Waterfall process={process} events={events} />
      <ol class="events">
        {events.map(({ at, event, about }, i) => {
          const [icon, tone] = words[event] ?? ["arrow", ""];
          return (
            <li key={i} class={tone === "bad" ? "refused" : ""}>
              <time class="mono" dateTime={new Date(at).toISOString()}>
                {clock(at)}
              </time>
              <span class="offset quiet">+{span(at - start)}</span>
              <span class={tone}>
                <Icon name={icon} />
              </span>
              <span>
                <strong>{event.replaceAll("-", " ")}</strong> <span class="quiet">{about}</span>
              </span>
            </li>
          );
        })}
      </ol>
    </Card>
  );
}

/** A time line as the store tells it, with birth and end. */
function eventsOf({ startTime }: ProcessDetail, entries: readonly TimelineEntry[]): readonly Event[] {
  let sentAt = startTime === null ? null : Date.parse(startTime);
  const tookOf = (at: number, event: string): readonly string[] => {
    if (event === "dispatched") sentAt = at;
    if (sentAt === null || !ends.has(event)) return [];
    const took = `took ${span(at - sentAt)}`;
    sentAt = null;
    return [took];
  };
  return entries.map(({ at, event, count, lastAt, ...fields }) => ({
    at,
    event,
    about: [
      aboutOf(fields),
      ...tookOf(at, event),
      ...(count === undefined ? [] : [`${Number(count)} times, last ${clock(Number(lastAt))}`]),
    ]
      .filter((text) => text !== "")
      .join(" · "),
  }));
}

function aboutOf(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== "" && value !== null && value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" · ");
}

/** What ends an attempt. */
const ends: ReadonlySet<string> = new Set([
  "backing-off",
  "called-back",
  "cancelled",
  "failed",
  "orphaned",
  "overdue",
  "probing",
  "refused",
  "reported-failure",
  "responded",
  "superseded",
]);

/** Bars as shares of the whole time: grey while it waited to be sent, blue while it was at the service. */
function Waterfall({
  process,
  events,
}: {
  readonly process: ProcessDetail;
  readonly events: readonly Event[];
}) {
  const start = events[0]?.at ?? 0;
  const end = Math.max(...events.map(({ at }) => at), start + 1);
  const share = (at: number): string => `${((at - start) / (end - start)) * 100}%`;
  const sent = events.filter(({ event }) => event === "dispatched").map(({ at }) => at);
  const first = process.startTime === null ? null : Date.parse(process.startTime);
  const starts = first === null || sent.includes(first) ? sent : [first, ...sent];
  const bars = [
    ...(starts[0] === undefined ? [] : [{ name: "waiting", from: start, to: starts[0], tone: "wait" }]),
    ...starts.map((from, i) => {
      const stop = events.find(({ at, event }) => at >= from && ends.has(event));
      return { name: `attempt ${i + 1}`, from, to: stop?.at ?? end, tone: "work" };
    }),
  ];
  return (
    <div class="waterfall" aria-hidden="true">
      {bars.map(({ name, from, to, tone }) => (
        <div key={name}>
          <span class="quiet">{name}</span>
          <span class="lane">
            <span
              class={`bar ${tone}`}
              style={{ left: share(from), width: `max(3px, calc(${share(to)} - ${share(from)}))` }}
            />
            <span class="quiet" style={{ position: "absolute", left: share(from) }}>
              {span(to - from)}
            </span>
          </span>
        </div>
      ))}
    </div>
  );
}
