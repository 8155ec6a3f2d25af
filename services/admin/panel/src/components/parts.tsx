/** The small parts that every page is made of. */
import type { ComponentChildren } from "preact";
import { Link } from "wouter";
import { ApiError } from "../api.ts";
import { age, count, shortId } from "../format.ts";
import { useNow } from "../hooks.ts";
import type { Executed, ProcessLine } from "../answers.ts";
import { Icon } from "./icons.tsx";

const phaseWords: Readonly<Record<string, string>> = {
  "awaiting-callback": "awaiting callback",
  "backing-off": "backing off",
  forwarding: "in progress",
};

/** Icon and word: which meaning a status has. */
export function Status({ status, phase }: { readonly status: string; readonly phase?: string | null }) {
  const shape = status === "in-progress" && phase != null && phase !== "forwarding" ? phase : status;
  const tones: Readonly<Record<string, string>> = {
    completed: "ok",
    failed: "bad",
    "in-progress": "run",
    "awaiting-callback": "run",
    "backing-off": "warn",
    pending: "off",
    cancelled: "off",
  };
  const word = status === "in-progress" ? (phaseWords[phase ?? ""] ?? "in progress") : status;
  return (
    <span class={`status ${tones[shape] ?? "off"}`}>
      <Icon name={shape} />
      {word}
    </span>
  );
}

/** Whether the service ran it: the word that decides which button is safe. */
export function ExecutedWord({
  executed,
  words,
}: {
  readonly executed: Executed | null;
  readonly words?: Readonly<Record<Executed, string>>;
}) {
  if (executed === null) return <span class="quiet">–</span>;
  const word = words?.[executed] ?? executed;
  if (executed === "unknown")
    return (
      <span class="status unknown">
        <Icon name="unknown" />
        {word}
      </span>
    );
  return <span class={executed === "no" && words !== undefined ? "ok" : ""}>{word}</span>;
}

/** What came of a process, or how far it is. */
export function Outcome({ process }: { readonly process: ProcessLine }) {
  if (process.status === "completed") return <span>{process.httpStatus ?? "done"}</span>;
  if (process.status === "in-progress" || process.status === "pending") {
    const { percent = null, message = null } = process.progress ?? {};
    if (percent === null && message === null) return <span class="quiet">{process.reason ?? "–"}</span>;
    return (
      <span>
        {percent !== null && `${Math.round(percent)} % `}
        <span class="quiet">{message}</span>
      </span>
    );
  }
  const word = process.reason ?? process.problem;
  return (
    <span>
      {process.httpStatus} <span class="quiet">{word}</span>
    </span>
  );
}

export function ProcessId({ id }: { readonly id: string }) {
  const { head, tail } = shortId(id);
  return (
    <Link href={`/processes/${encodeURIComponent(id)}`} class="mono id" title={id}>
      {head}
      <span class="quiet">{tail}</span>
    </Link>
  );
}

/** "8 s", counted from the server's clock, with the time itself as title. */
export function Age({ time }: { readonly time: string | number | null }) {
  const now = useNow();
  if (time === null) return <span class="quiet">–</span>;
  const at = typeof time === "number" ? time : Date.parse(time);
  const text = new Date(at).toISOString();
  return (
    <time dateTime={text} title={`${text.replace("T", " ").replace("Z", "")} UTC`}>
      {age(now - at)}
    </time>
  );
}

export function Count({ value, tone }: { readonly value: number; readonly tone?: string }) {
  return value === 0 ? <span class="quiet">–</span> : <strong class={tone}>{count(value)}</strong>;
}

interface CardProps {
  readonly title: ComponentChildren;
  readonly about?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Card({ title, about, actions, children }: CardProps) {
  return (
    <section class="card">
      <header>
        <h2>{title}</h2>
        {about !== undefined && <span class="quiet">{about}</span>}
        {actions !== undefined && <div class="actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}

/** What would be here, and how it comes here. */
export function Empty({
  children,
  onDrop,
}: {
  readonly children: ComponentChildren;
  readonly onDrop?: (() => void) | undefined;
}) {
  return (
    <div class="empty">
      <p>{children}</p>
      {onDrop !== undefined && (
        <button type="button" onClick={onDrop}>
          Drop the filters
        </button>
      )}
    </div>
  );
}

export function Failure({ error }: { readonly error: unknown }) {
  const isApi = error instanceof ApiError;
  return (
    <div class="empty" role="alert">
      <p>
        <strong>{isApi ? error.problem.title : "The admin service does not answer"}</strong>
      </p>
      {isApi && <p>{error.problem.detail}</p>}
      {isApi && error.problem.requestId !== undefined && (
        <p class="quiet mono">request {error.problem.requestId}</p>
      )}
    </div>
  );
}

export function Skeleton({ rows = 8 }: { readonly rows?: number }) {
  return (
    <div class="skeleton" aria-busy="true" aria-label="loading">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} />
      ))}
    </div>
  );
}

interface SegmentedProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly text: ComponentChildren }[];
  readonly onChange: (value: T) => void;
}

export function Segmented<T extends string>({ label, value, options, onChange }: SegmentedProps<T>) {
  return (
    <div class="segmented" role="group" aria-label={label}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
        >
          {option.text}
        </button>
      ))}
    </div>
  );
}

interface ChipProps {
  readonly name: string;
  readonly value: string | undefined;
  readonly options: readonly (string | readonly [string, string])[];
  readonly any?: string;
  readonly onChange: (value: string | null) => void;
}

/** A filter with a closed list of values. */
export function Chip({ name, value, options, any = "any", onChange }: ChipProps) {
  const given = options.map((option) => (typeof option === "string" ? ([option, option] as const) : option));
  const known =
    value === undefined || given.some(([one]) => one === value) ? given : [...given, [value, value] as const];
  return (
    <label class={`chip ${value === undefined ? "" : "on"}`}>
      <span>{name}</span>
      <select
        value={value ?? ""}
        onChange={(event) => onChange(event.currentTarget.value === "" ? null : event.currentTarget.value)}
      >
        <option value="">{any}</option>
        {known.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A filter of free text: it counts when Enter is pressed or the field is left. */
export function TextChip({ name, value, onChange }: Omit<ChipProps, "options" | "any">) {
  return (
    <label class={`chip ${value === undefined ? "" : "on"}`}>
      <span>{name}</span>
      <input
        key={value ?? ""}
        type="text"
        maxLength={200}
        defaultValue={value ?? ""}
        placeholder="any"
        onKeyDown={(event) => {
          if (event.key === "Enter") onChange(event.currentTarget.value.trim() || null);
        }}
        onBlur={(event) => {
          const text = event.currentTarget.value.trim() || null;
          if (text !== (value ?? null)) onChange(text);
        }}
      />
    </label>
  );
}
