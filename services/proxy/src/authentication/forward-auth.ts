/**
 * Asks an HTTP service: 2xx is a yes and names the principal, 401 and 403 are a no, anything else is no answer. A yes is
 * believed for a moment for the very same question; a no is never kept, so that a mended credential works at once.
 */
import { createHash } from "node:crypto";
import { headerLines, type HeaderLine } from "@sticky-proxy/core/http";
import {
  grantScopes,
  scopesIn,
  singleLine,
  subjectOf,
  type ForwardAuthMethod,
  type Proof,
} from "@sticky-proxy/core/principal";
import type { Asking, MethodDeps, ProvingMethod } from "./method.ts";

const maxKept = 10_000;

interface Kept {
  readonly proof: Promise<Proof>;
  /** Monotonic ms. */
  readonly until: number;
}

export function forwardAuthMethod(policy: ForwardAuthMethod, { call, clock }: MethodDeps): ProvingMethod {
  const url = new URL(policy.url);
  const kept = new Map<string, Kept>();

  async function ask(headers: readonly HeaderLine[], fields: readonly string[]): Promise<Proof> {
    const { timeoutMs } = policy;
    const answer = await call({ method: "GET", url, headers, body: null, timeoutMs, maxBytes: 65_536 });
    if (answer.kind === "failed") return { kind: "unavailable", why: `forward-auth: ${answer.reason}` };
    if (answer.status === 401 || answer.status === 403)
      return { kind: "refused", why: `forward-auth: ${answer.status}` };
    if (answer.status < 200 || answer.status > 299)
      return { kind: "unavailable", why: `forward-auth: ${answer.status}` };
    const subject = subjectOf(singleLine(answer.headers, policy.principalField));
    if (subject === null) return { kind: "unavailable", why: `forward-auth: no ${policy.principalField}` };
    const { scopesField } = policy;
    const scopes =
      scopesField === null ? grantScopes : scopesIn(singleLine(answer.headers, scopesField) ?? "");
    return { kind: "proved", grant: { subject, scopes, fields } };
  }

  return function prove(asking) {
    const shown = policy.requestFields.flatMap((name) =>
      headerLines(asking.headers, name).map((value): HeaderLine => [name, value]),
    );
    if (shown.length === 0) return { kind: "absent" };
    const question = [...shown, ...described(asking)];
    const digest = createHash("sha256").update(JSON.stringify(question)).digest("base64url");
    const now = clock.monotonic();
    const known = kept.get(digest);
    if (known !== undefined && known.until > now) return known.proof;
    // Cookies are the site's own: only the field of the credential proper is taken out on the way to the service.
    const fields = [...new Set(shown.map(([name]) => name))].filter((name) => name !== "cookie");
    const proof = ask(question, fields);
    if (policy.cacheMs > 0) keep(digest, proof, now + policy.cacheMs);
    return proof;
  };

  function keep(digest: string, proof: Promise<Proof>, until: number): void {
    kept.delete(digest);
    if (kept.size >= maxKept) kept.delete(kept.keys().next().value!);
    const entry = { proof, until };
    kept.set(digest, entry);
    void proof.then(({ kind }) => {
      if (kind !== "proved" && kept.get(digest) === entry) kept.delete(digest);
    });
  }
}

/** What the request is, in the fields that such services know. */
function described({ method, target, client }: Asking): HeaderLine[] {
  return [
    ["x-forwarded-method", method],
    ["x-forwarded-uri", target],
    ["x-forwarded-host", client.host],
    ["x-forwarded-proto", client.protocol],
    ["x-forwarded-for", client.address],
  ];
}
