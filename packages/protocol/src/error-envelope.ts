/**
 * Members of a problem for clients that know an API's own form of errors (RFC 9457 3.2 lets a type extend its members).
 * Some SDKs look for `error` in the body and take any answer without it for a success, whatever its status.
 */
/** What a template is filled with. */
interface EnvelopeFacts {
  readonly slug: string;
  readonly status: number;
  readonly title: string;
  readonly message: string;
  readonly options: { readonly processId?: string };
}

/**
 * A template of members. "{type}", "{code}", "{message}", "{title}", "{status}", "{requestId}" and "{processId}" in its texts
 * are replaced; a text that is "{status}" alone becomes the number. What is not known becomes null, or nothing within a text.
 */
export interface ErrorEnvelope {
  readonly [member: string]: EnvelopeValue;
}

type EnvelopeValue = string | number | boolean | null | ErrorEnvelope | readonly EnvelopeValue[];

/** The form that most payment and model APIs have. */
export const usualEnvelope: ErrorEnvelope = {
  error: { type: "{type}", code: "{code}", message: "{message}" },
};

const placeholder = /\{(type|code|message|title|status|requestId|processId)\}/g;

export function inEnvelope(
  envelope: ErrorEnvelope,
  problem: EnvelopeFacts,
  requestId: string | null,
): Record<string, unknown> {
  const { processId = null } = problem.options;
  const values: Readonly<Record<string, string | number | null>> = {
    type: errorType(problem),
    code: problem.slug,
    message: problem.message,
    title: problem.title,
    status: problem.status,
    requestId,
    processId,
  };
  const filled = (value: EnvelopeValue): unknown => {
    if (typeof value === "string") {
      const whole = /^\{(\w+)\}$/.exec(value)?.[1];
      if (whole !== undefined && Object.hasOwn(values, whole)) return values[whole];
      return value.replaceAll(placeholder, (_, name: string) => String(values[name] ?? ""));
    }
    if (Array.isArray(value)) return value.map(filled);
    return typeof value === "object" && value !== null ? members(value as ErrorEnvelope) : value;
  };
  const members = (template: ErrorEnvelope): Record<string, unknown> =>
    Object.fromEntries(Object.entries(template).map(([name, value]) => [name, filled(value)]));
  return members(envelope);
}

const idempotency: ReadonlySet<string> = new Set(["request-in-progress", "credential-changed"]);

/** The word by which SDKs choose the class of their error. */
function errorType({ slug, status }: EnvelopeFacts): string {
  if (idempotency.has(slug) || slug.startsWith("idempotency-")) return "idempotency_error";
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "api_error";
}
