/** What stands around every page: navigation, search, whether the page is live, who is logged in. */
import { useIsFetching, useQueryClient } from "@tanstack/react-query";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { call, serverNow } from "./api.ts";
import { Icon } from "./components/icons.tsx";
import { FindDialog } from "./find.tsx";
import { age, count } from "./format.ts";
import { useLive, useNow, usePoll } from "./hooks.ts";
import { keySwitch, useKeys } from "./keys.ts";
import type { Overview, Session } from "./answers.ts";

const groups = [
  [
    ["/", "overview", "Overview", "o"],
    ["/processes", "processes", "Processes", "p"],
    ["/dead-letters", "dead-letters", "Dead letters", "d"],
  ],
  [
    ["/cache", "cache", "Cache", "c"],
    ["/mirror", "mirror", "Differences", "m"],
  ],
  [
    ["/services", "services", "Services", "s"],
    ["/replicas", "replicas", "Replicas", "r"],
    ["/audit", "audit", "Audit", "a"],
    ["/config", "config", "Config", "f"],
  ],
] as const;

interface Props {
  readonly session: Session;
  readonly onLogout: () => void;
  readonly children: ComponentChildren;
}

export function Shell({ session, onLogout, children }: Props) {
  const [path, navigate] = useLocation();
  const [isLive, setLive] = useLive();
  const [open, setOpen] = useState<"none" | "find" | "help" | "menu">("none");
  const client = useQueryClient();
  const { data, dataUpdatedAt, isError, error } = usePoll<Overview>("/overview", 5000);
  const now = useNow();
  const staleMs = dataUpdatedAt === 0 ? 0 : now - serverNow() + Date.now() - dataUpdatedAt;
  const isStale = isError || staleMs > 15_000;
  useEffect(() => setOpen("none"), [path]);
  useKeys({
    "/": () => setOpen("find"),
    "?": () => setOpen("help"),
    l: () => setLive(!isLive),
    r: () => void client.invalidateQueries(),
    t: toggleTheme,
    f: () => document.querySelector<HTMLElement>(".filters select, .filters input")?.focus(),
    ...Object.fromEntries(groups.flat().map(([to, , , key]) => [`g ${key}`, () => navigate(to)])),
  });

  return (
    <div class="shell">
      <a class="skip" href="#main">
        To the page
      </a>
      <Navigation session={session} overview={data} isOpen={open === "menu"} onLogout={onLogout} />
      <div class="stage">
        <div class="topbar">
          <button
            type="button"
            class="menu"
            aria-label="Menu"
            aria-expanded={open === "menu"}
            onClick={() => setOpen(open === "menu" ? "none" : "menu")}
          >
            <Icon name={open === "menu" ? "close" : "menu"} />
          </button>
          <button type="button" class="find" onClick={() => setOpen("find")}>
            <Icon name="search" />
            Process, key, job id or URL
            <kbd>/</kbd>
          </button>
          <LiveBadge isLive={isLive} isStale={isStale} staleMs={staleMs} onToggle={() => setLive(!isLive)} />
        </div>
        {isStale && (
          <p class="banner" role="alert">
            {isStoreAway(error)
              ? "The store does not answer; what you see is from before."
              : "The admin service, or its store, does not answer; what you see is from before."}
          </p>
        )}
        <main id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
      {open === "find" && (
        <FindDialog services={data?.services.map(({ name }) => name) ?? []} onClose={() => setOpen("none")} />
      )}
      {open === "help" && <Help onClose={() => setOpen("none")} />}
    </div>
  );
}

interface NavigationProps {
  readonly session: Session;
  readonly overview: Overview | undefined;
  readonly isOpen: boolean;
  readonly onLogout: () => void;
}

function Navigation({ session, overview, isOpen, onLogout }: NavigationProps) {
  const [path] = useLocation();
  const numbers: Readonly<Record<string, number>> = {
    "/processes": overview?.services.reduce((sum, { running }) => sum + running, 0) ?? 0,
    "/dead-letters": overview?.deadLetters ?? 0,
    "/mirror": overview?.coverage.reduce((sum, { different }) => sum + different, 0) ?? 0,
  };
  return (
    <nav class={isOpen ? "sidebar open" : "sidebar"} aria-label="Pages">
      <p class="brand">
        <Icon name="logo" /> sticky-proxy
      </p>
      {groups.map((group, i) => (
        <ul key={i}>
          {group.map(([to, icon, word]) => (
            <li key={to}>
              <Link href={to} aria-current={isAt(path, to) ? "page" : undefined}>
                <Icon name={icon} />
                {word}
                {(numbers[to] ?? 0) > 0 && (
                  <span class={to === "/processes" ? "number" : "number bad"}>{count(numbers[to]!)}</span>
                )}
              </Link>
            </li>
          ))}
        </ul>
      ))}
      <div class="who">
        <p>
          <strong>{session.environment}</strong> · {session.version}
        </p>
        <p>
          {session.actor} · {session.role}
        </p>
        <p class="actions">
          <button type="button" onClick={toggleTheme}>
            Theme
          </button>
          <button type="button" onClick={() => void call("DELETE", "/session").then(onLogout, onLogout)}>
            Log out
          </button>
        </p>
      </div>
    </nav>
  );
}

function isAt(path: string, to: string): boolean {
  return to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`);
}

function isStoreAway(error: unknown): boolean {
  return error instanceof Error && "problem" in error;
}

interface BadgeProps {
  readonly isLive: boolean;
  readonly isStale: boolean;
  readonly staleMs: number;
  readonly onToggle: () => void;
}

function LiveBadge({ isLive, isStale, staleMs, onToggle }: BadgeProps) {
  const isFetching = useIsFetching() > 0;
  const [mark, word] = !isLive
    ? ["off", "Paused"]
    : isStale
      ? ["stale", `Stale ${age(staleMs)}`]
      : ["on", "Live"];
  return (
    <button
      type="button"
      class={`live ${mark}`}
      aria-pressed={isLive}
      title="Live updates (l)"
      data-fetching={isFetching}
      onClick={onToggle}
    >
      <span class="dot" />
      {word}
    </button>
  );
}

function toggleTheme(): void {
  const root = document.documentElement;
  const isDark =
    root.dataset["theme"] === "dark" ||
    (root.dataset["theme"] === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset["theme"] = isDark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset["theme"]);
  } catch {
    // Storage is off: the choice holds for this page.
  }
}

const help = [
  ["/", "find a process, key, job id or URL"],
  ["g then o p d c m s r a f", "go to a page"],
  ["j k", "next, previous row"],
  ["Enter", "open the row"],
  ["x", "select the row"],
  ["f", "to the filters"],
  ["r", "refresh"],
  ["l", "live updates on or off"],
  ["t", "light or dark"],
  ["Esc", "close"],
] as const;

function Help({ onClose }: { readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOn, setOn] = useState(keySwitch.isOn);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl class="keys">
        {help.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label>
        <input
          type="checkbox"
          checked={isOn}
          onChange={(event) => {
            keySwitch.isOn = event.currentTarget.checked;
            setOn(keySwitch.isOn);
          }}
        />{" "}
        Keys of one letter
      </label>
      <div class="buttons">
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}
