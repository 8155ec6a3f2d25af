/**
 * The Prefer field (RFC 7240), as far as the gateway honours it: respond-async and wait.
 * A preference that is unknown or malformed is not applied, and Preference-Applied shows that (RFC 7240 section 2).
 */
import { splitList } from "./http/list.ts";
import { tokenCharacters } from "./http/token.ts";

export interface Preferences {
  /** Answer 202 at once. */
  readonly respondAsync: boolean;
  /** How long the client wants to wait for the result, in milliseconds; null: not given. */
  readonly waitMs: number | null;
}

const maxWaitSeconds = 1_000_000_000;

/** All lines of Prefer. Of a preference that is given twice the first counts (RFC 7240 section 2). */
export function readPrefer(lines: readonly string[]): Preferences {
  let respondAsync = false;
  let waitMs: number | null = null;
  let waitSeen = false;
  for (const line of lines) {
    for (const { name, value } of preferencesOf(line)) {
      if (name === "respond-async" && value === "") {
        respondAsync = true;
      } else if (name === "wait" && !waitSeen) {
        waitSeen = true;
        if (/^[0-9]+$/.test(value)) waitMs = Math.min(Number(value), maxWaitSeconds) * 1000;
      }
    }
  }
  return { respondAsync, waitMs };
}

/** What was done with the client's preferences, as the value of Preference-Applied; null: nothing was applied. */
export function formatPreferenceApplied(applied: Preferences): string | null {
  const words: string[] = [];
  if (applied.respondAsync) words.push("respond-async");
  if (applied.waitMs !== null) words.push(`wait=${Math.floor(applied.waitMs / 1000)}`);
  return words.length === 0 ? null : words.join(", ");
}

interface Preference {
  readonly name: string;
  /** "" when there is none: RFC 7240 makes an empty value and no value the same. */
  readonly value: string;
}

/** token [ BWS "=" BWS ( token / quoted-string ) ] *( OWS ";" parameter ), parameters unread. */
const preference = new RegExp(
  `^([${tokenCharacters}]+)(?:[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s";,]*)))?$`,
  "s",
);

function* preferencesOf(line: string): Generator<Preference> {
  for (const element of splitList(line)) {
    const [head = ""] = splitList(element, ";");
    const match = preference.exec(head.trim());
    if (match?.[1] === undefined) continue;
    const quoted = match[2]?.replace(/\\(.)/gs, "$1");
    yield { name: match[1].toLowerCase(), value: quoted ?? match[3] ?? "" };
  }
}
