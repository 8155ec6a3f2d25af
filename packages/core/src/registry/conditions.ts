/** Host, header fields and query that a service or a route asks for beside the path. */
import { headerJoined, type HeaderList } from "../http/message.ts";
import type { MatchConditions } from "./service.ts";

/** What of a request decides about its service and route. */
export interface RequestFacts {
  /** Lower-case, without port; null: none (HTTP/1.0). */
  readonly host: string | null;
  /** Without "?"; null: none. */
  readonly query: string | null;
  readonly headers: HeaderList;
}

/** Which condition a request fails first, in words for people. */
export type ConditionFault = "host" | `header ${string}` | `query ${string}`;

/** Ready to be asked for each request; null: there is nothing to ask. */
export type ConditionCheck = (facts: RequestFacts) => ConditionFault | null;

export function conditionCheck({ hosts, headers, query }: MatchConditions): ConditionCheck | null {
  const checks: ConditionCheck[] = [];
  if (hosts !== undefined && hosts.length > 0)
    checks.push(({ host }) => (hosts.some((wanted) => coversHost(wanted, host)) ? null : "host"));
  for (const [name, value] of Object.entries(headers ?? {})) {
    const fits = valueTest(value);
    checks.push((facts) => {
      const given = headerJoined(facts.headers, name);
      return given !== null && fits(given) ? null : `header ${name}`;
    });
  }
  for (const [name, value] of Object.entries(query ?? {})) {
    const fits = valueTest(value);
    checks.push((facts) => (parameters(facts.query, name).some(fits) ? null : `query ${name}`));
  }
  if (checks.length === 0) return null;
  return (facts) => {
    for (const check of checks) {
      const fault = check(facts);
      if (fault !== null) return fault;
    }
    return null;
  };
}

/** "*.a.test" covers "x.a.test" and "y.x.a.test", not "a.test". */
export function coversHost(wanted: string, host: string | null): boolean {
  if (host === null) return false;
  if (!wanted.startsWith("*.")) return wanted === host;
  return host.length > wanted.length - 1 && host.endsWith(wanted.slice(1));
}

/** "*" stands for any text, also none. No expression is made of what a file says: time grows with the text alone. */
function valueTest(wanted: string): (value: string) => boolean {
  const parts = wanted.split("*");
  if (parts.length === 1) return (value) => value === wanted;
  const [first = "", ...rest] = parts;
  const last = rest.pop()!;
  return (value) => {
    if (value.length < first.length + last.length) return false;
    if (!value.startsWith(first) || !value.endsWith(last)) return false;
    let at = first.length;
    for (const part of rest) {
      const found = value.indexOf(part, at);
      if (found === -1) return false;
      at = found + part.length;
    }
    return at <= value.length - last.length;
  };
}

function parameters(query: string | null, name: string): string[] {
  return query === null ? [] : new URLSearchParams(query).getAll(name);
}

export function hasConditions({ hosts, headers, query }: MatchConditions): boolean {
  return hosts !== undefined || headers !== undefined || query !== undefined;
}

/** `host=a.test x-beta=* ?v=2`: what a derived name of a route says of its conditions; "" where it has none. */
export function conditionText({ hosts = [], headers = {}, query = {} }: MatchConditions): string {
  return [
    ...(hosts.length === 0 ? [] : [`host=${hosts.join(",")}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}=${value}`),
    ...Object.entries(query).map(([name, value]) => `?${name}=${value}`),
  ].join(" ");
}
