/** The pieces that the OpenAPI operations beside the routes are made of. */
import { problemMediaType, problemTypes, type ProblemSlug } from "@sticky-proxy/protocol";

export type Part = Readonly<Record<string, unknown>>;

export const inPath = (name: string, description: string): Part => ({
  name,
  in: "path",
  required: true,
  description,
  schema: { type: "string" },
});
export const inHeader = (name: string, description: string, schema: Part = { type: "string" }): Part => ({
  name,
  in: "header",
  description,
  schema,
});
export const processIdParameter = inPath(
  "id",
  "The process id: Sticky-Process-Id of the submission's answer.",
);
export const preferParameter = inHeader("Prefer", "`wait=N`: hold the call up to N seconds (at most 60).");

/** Content of one media type, by the name of its schema. */
export const jsonContent = (schema: string): Part => ({
  "application/json": { schema: { $ref: `#/components/schemas/${schema}` } },
});
export const processHeaders = {
  "Sticky-Process-Id": { $ref: "#/components/headers/ProcessId" },
  "Sticky-Process-Status": { $ref: "#/components/headers/ProcessStatus" },
  "Sticky-Source": { $ref: "#/components/headers/Source" },
  "Idempotent-Replayed": { $ref: "#/components/headers/Replayed" },
};
export const processResponse = (description: string, more: Part = {}): Part => ({
  description,
  headers: { ...processHeaders, ETag: { schema: { type: "string" } }, ...more },
  content: jsonContent("Process"),
});

/** Responses by status, one for all problems of a status. */
export function problemResponses(...found: ProblemSlug[]): Part {
  const byStatus = Map.groupBy(new Set(found), (slug) => String(problemTypes[slug].status));
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      status,
      {
        description: of.map((slug) => `\`${slug}\`: ${problemTypes[slug].about}`).join(" "),
        content: { [problemMediaType]: { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    ]),
  );
}

/** What changes a process asks for its submission's credential, or for its owner token. */
export const ownerSecurity = [{ owner: [] }, { caller: [] }, {}];
/** What changes something refuses other sites' pages, and bodies that cannot be read. */
export const changingProblems: ProblemSlug[] = ["malformed-request", "payload-too-large", "csrf-rejected"];
/** Where clients are authenticated. */
export const callerProblems: ProblemSlug[] = ["unauthorized", "forbidden", "authentication-unavailable"];
/** The problems of every route that reads a process. */
export const readingProblems: ProblemSlug[] = [
  "malformed-request",
  "process-not-found",
  "process-expired",
  "store-unavailable",
  ...callerProblems,
];
export const retryAfterHeader = { "Retry-After": { schema: { type: "integer" }, description: "Seconds." } };
