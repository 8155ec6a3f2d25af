/** Polling, the clock, and filters that live in the URL. */
import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { useSearch, useLocation } from "wouter";
import type { Series } from "./answers.ts";
import { get, queryText, serverNow } from "./api.ts";

/** Live is one switch for the whole panel. */
const liveness = { isLive: true, listeners: new Set<() => void>() };

export function useLive(): readonly [boolean, (on: boolean) => void] {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = (): void => redraw((n) => n + 1);
    liveness.listeners.add(listener);
    return () => void liveness.listeners.delete(listener);
  }, []);
  const set = useCallback((on: boolean) => {
    liveness.isLive = on;
    for (const listener of liveness.listeners) listener();
  }, []);
  return [liveness.isLive, set];
}

/** Polls while the tab is visible; keeps what was there while the next answer comes, or none does. */
export function usePoll<T>(path: string | null, everyMs = 2000): UseQueryResult<T> {
  const [isLive] = useLive();
  // A tenth, so that many tabs do not ask together.
  const [jitter] = useState(() => 0.9 + Math.random() / 5);
  return useQuery<T>({
    queryKey: [path],
    queryFn: ({ signal }) => get<T>(path!, signal),
    enabled: path !== null,
    // Slower while errors come. The same at each painting: another interval would begin anew and never end.
    refetchInterval: (query) =>
      isLive ? everyMs * jitter * (query.state.fetchFailureCount > 0 ? 2 : 1) : false,
    refetchIntervalInBackground: false,
    placeholderData: keepPreviousData,
    retry: false, // the next poll asks again
  });
}

/** The server's time, drawn anew each second. */
export function useNow(): number {
  const [now, setNow] = useState(serverNow());
  useEffect(() => {
    const timer = setInterval(() => setNow(serverNow()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export type Filters = Readonly<Record<string, string>>;

/** Filters of the page: read from the URL, and a change replaces the history entry. */
export function useFilters(): readonly [Filters, (change: Readonly<Record<string, string | null>>) => void] {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const filters = Object.fromEntries(new URLSearchParams(search));
  const change = (changes: Readonly<Record<string, string | null>>): void => {
    const params = new URLSearchParams(search);
    for (const [name, value] of Object.entries(changes))
      if (value === null || value === "") params.delete(name);
      else params.set(name, value);
    const text = params.toString();
    navigate(text === "" ? path : `${path}?${text}`, { replace: true });
  };
  return [filters, change];
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · sticky-proxy`;
  }, [title]);
}

export const ranges = ["15m", "1h", "6h", "24h", "7d"] as const;

/** The range of the page's charts, from the URL, and its series; nodes write them every 10 s. */
export function useSeries(service: string | null): {
  readonly range: string;
  readonly setRange: (range: string) => void;
  readonly data: Series | undefined;
} {
  const [filters, change] = useFilters();
  const wanted = filters["range"] ?? "";
  const range = (ranges as readonly string[]).includes(wanted) ? wanted : ranges[0];
  const { data } = usePoll<Series>(`/series${queryText({ range, service })}`, 5000);
  return { range, setRange: (next) => change({ range: next === ranges[0] ? null : next }), data };
}
