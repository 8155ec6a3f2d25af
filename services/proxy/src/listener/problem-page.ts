/** A problem as a page, for a person who meets it in a browser. */
import { createHash } from "node:crypto";

import { headerJoined, type HeaderLine, type HeaderList } from "@sticky-proxy/core/http";
import type { Executed, ProblemBody } from "@sticky-proxy/protocol";
import { splitList } from "@sticky-proxy/protocol/http";

const style =
  ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}" +
  "body{max-width:40rem;margin:15vh auto;padding:0 1.5rem}" +
  "h1{font-size:1.4rem;margin:0}p{margin:.75rem 0}" +
  "dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1.5rem 0;font-size:.875rem}" +
  "dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere;font-family:ui-monospace,monospace}";

const styleHash = createHash("sha256").update(style).digest("base64");

/** Nothing but the style: no script, no frame, no foreign origin. */
export const pageFields: readonly HeaderLine[] = [
  ["Content-Type", "text/html; charset=utf-8"],
  [
    "Content-Security-Policy",
    `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  ],
  ["X-Content-Type-Options", "nosniff"],
];

/** What `executed` says, to somebody who has never read of it. */
const ran: Readonly<Record<Executed, string>> = {
  no: "The service did not run your request.",
  yes: "The service ran your request.",
  unknown: "Nobody knows whether the service ran your request. Look before you send it again.",
};

export function problemPage(body: ProblemBody): Buffer {
  const { title, status, detail, executed, retryable } = body;
  const facts = [
    ["Problem", body.type],
    ["Request", body.requestId],
    ["Process", body.processId],
  ].filter((row): row is [string, string] => row[1] !== undefined);
  const sentences = [
    detail,
    ...(executed === undefined ? [] : [ran[executed]]),
    ...(retryable ? ["The same request may succeed later."] : []),
  ];
  return Buffer.from(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
      `<title>${status} ${escaped(title)}</title><style>${style}</style><main>` +
      `<h1>${status} ${escaped(title)}</h1>${sentences.map((text) => `<p>${escaped(text)}</p>`).join("")}` +
      `<dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`).join("")}</dl></main></html>\n`,
  );
}

/**
 * Whether the client would rather have a page than JSON (RFC 9110 12.5.1): only one that names HTML and does not like
 * JSON as much, as browsers do. Programs that take anything get JSON.
 */
export function prefersPage(headers: HeaderList): boolean {
  const accept = headerJoined(headers, "accept");
  if (accept === null || !accept.toLowerCase().includes("text/html")) return false;
  let html = 0;
  let json = 0;
  for (const member of splitList(accept)) {
    const [range = "", ...parameters] = splitList(member, ";").map((part) => part.toLowerCase());
    if (range === "text/html") html = Math.max(html, qualityOf(parameters));
    else if (range === "application/problem+json" || range === "application/json")
      json = Math.max(json, qualityOf(parameters));
  }
  return html > json;
}

/** RFC 9110 12.4.2; what is no quality counts as 0. */
function qualityOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => /^q[ \t]*=/.test(parameter));
  if (given === undefined) return 1;
  const value = given.slice(given.indexOf("=") + 1).trim();
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(value) ? Number(value) : 0;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character]!);
}
