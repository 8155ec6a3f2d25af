/** A log line for a person at a terminal: time, level unless it is info, event, and the fields that say something. */

type LogFields = Readonly<Record<string, unknown>>;

/** Of the access line, which shows them in an order that is read at a glance. */
const shownFirst: ReadonlySet<string> = new Set([
  "method",
  "path",
  "status",
  "duration_ms",
  "service",
  "route",
  "instance",
]);

/**
 * @param fields as redacted, names in snake case
 * @returns one line; an error's stack follows on lines of its own. What would move the cursor or change the terminal
 * is escaped, whoever sent it
 */
export function consoleLine(at: Date, level: string, event: string, fields: LogFields): string {
  const clock = at.toTimeString().slice(0, 8) + at.toISOString().slice(19, 23);
  const isRequest = event === "request";
  const parts = [
    clock,
    ...(level === "info" ? [] : [level.toUpperCase()]),
    ...(isRequest ? asked(fields) : [event]),
  ];
  let stack = "";
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || value === undefined || (isRequest && shownFirst.has(name))) continue;
    if (name === "err" && isError(value)) {
      parts.push(`err=${quoted(value.message)}`);
      stack = (value.stack ?? "").split("\n").slice(1).join("\n");
    } else parts.push(`${name}=${typeof value === "string" ? quoted(value) : JSON.stringify(value)}`);
  }
  const line = parts.map(visible).join(" ");
  return stack === "" ? line : `${line}\n${stack.split("\n").map(visible).join("\n")}`;
}

/** `POST /payments/charges 201 12.3 ms payments/charges → i1`; a dash for an answer that nobody waited for. */
function asked(fields: LogFields): string[] {
  const text = (name: string): string | null => {
    const value = fields[name];
    return typeof value === "string" || typeof value === "number" ? String(value) : null;
  };
  const [service, route, instance] = [text("service"), text("route"), text("instance")];
  return [
    `${text("method") ?? "-"} ${text("path") ?? "-"} ${text("status") ?? "-"}`,
    ...(fields["duration_ms"] === undefined ? [] : [`${text("duration_ms")} ms`]),
    ...(service === null ? [] : [route === null ? service : `${service}/${route}`]),
    ...(instance === null ? [] : [`→ ${instance}`]),
  ];
}

function isError(value: unknown): value is { readonly message: string; readonly stack?: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as { message?: unknown }).message === "string"
  );
}

function quoted(text: string): string {
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

/** C0, DEL, C1, and what reverses the direction of text. */
const invisible = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g; // oxlint-disable-line no-control-regex

function visible(text: string): string {
  return text.replace(invisible, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
