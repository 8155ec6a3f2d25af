/**
 * Is this callback from the service? By the execution token, and by a Standard Webhooks signature over the raw bytes where
 * the service signs: the token binds the process, the signature the content. At a fixed address the job's id in the
 * signed body binds. Compares in constant time, and works as long on an unknown process.
 */
import { randomBytes } from "node:crypto";
import type { TokenKeys } from "@sticky-proxy/core/principal";
import { headerLines, type HeaderList } from "@sticky-proxy/core/http";
import type { PinnedRules } from "@sticky-proxy/core/process";
import type { CallbackAuth, Service } from "@sticky-proxy/core/registry";
import {
  equalSecrets,
  lowerFields,
  readSigningKey,
  verifyExecutionToken,
  verifyWebhook,
  type SigningKey,
} from "@sticky-proxy/protocol";

/** A Standard Webhooks message that was signed by the service. */
export interface Signed {
  /** Its webhook-id; null: nothing was signed. */
  readonly messageId: string | null;
}

export interface Proof extends Signed {
  /** The attempt that the token belongs to; null: no proof is asked for, so the current attempt is meant. */
  readonly attempt: number | null;
  /** How the token came: a payload of the service's own form is expected from those that cannot set header fields. */
  readonly via: "header" | "query" | "none";
}

/** What the report of a process is judged by. */
export interface Judged {
  readonly processId: string;
  /** null: not in today's file. */
  readonly service: Service | null;
  /** What the process began with; null: not known. */
  readonly pinned: Pick<PinnedRules, "callback"> | null;
}

/** Why a report is refused: for operators only, the sender learns none of it. */
export type Refusal = "token-missing" | "token-wrong" | "signature-missing" | "signature-wrong";

/** `cannot-tell`: it may be authentic, and this node lacks the signing key or the rules that would say so. */
export type Judgement = Proof | Refusal | "cannot-tell";

export interface CallbackVerifier {
  /** The most that a report may bring, over all services. */
  readonly largestBody: number;
  /** @param now the store's clock, epoch ms */
  verify(
    judged: Judged,
    lines: HeaderList,
    queryToken: string | null,
    body: Uint8Array,
    now: number,
  ): Judgement;
  /** For a fixed webhook address: a signature or the shared token, as `Authorization: Bearer`. null: not authentic */
  verifyFixed(service: Service, lines: HeaderList, body: Uint8Array, now: number): Signed | null;
  /** Does the work of a refusal and refuses: an unknown process must not be told apart by time. */
  refuse(lines: HeaderList, body: Uint8Array, now: number): null;
}

const decoyId = "0.AAAAAAAAAAAAAAAAAAAAAA.1";

/**
 * @param services those of the start: a service with secrets of its own needs a restart
 * @param keyId names a signing secret as the pinned rules do
 */
export function createCallbackVerifier(
  tokens: TokenKeys["accept"],
  services: readonly Service[],
  keyId: (secret: string) => string,
): CallbackVerifier {
  const keys = new Map<string, readonly SigningKey[]>(
    services.map((service) => [
      service.name,
      service.callbackAuth.secrets.flatMap((text) => readSigningKey(text) ?? []),
    ]),
  );
  const keyIds = new Map<string, ReadonlySet<string>>(
    services.map((service) => [service.name, new Set(service.callbackAuth.secrets.map(keyId))]),
  );
  const decoyKeys = [{ bytes: randomBytes(32) }];

  /** Takes as long for a token of the first key as for one of none. */
  function attemptOf(id: string, token: string): number | null {
    const found = tokens.map((key) => verifyExecutionToken(key, id, token));
    return found.find((attempt) => attempt !== null) ?? null;
  }

  /** The id of the message; null: not signed by any of the keys. */
  function signed(
    lines: HeaderList,
    body: Uint8Array,
    using: readonly SigningKey[],
    now: number,
  ): string | null {
    const received = {
      id: headerLines(lines, lowerFields.webhookId),
      timestamp: headerLines(lines, lowerFields.webhookTimestamp),
      signature: headerLines(lines, lowerFields.webhookSignature),
    };
    const verdict = verifyWebhook(received, body, using, now);
    return verdict.valid ? verdict.id : null;
  }
  function tokenOf(
    lines: HeaderList,
    query: string | null,
  ): { token: string; via: "header" | "query" } | null {
    const [line, more] = headerLines(lines, lowerFields.stickyExecution);
    if (more !== undefined) return null;
    if (line !== undefined) return { token: line, via: "header" };
    return query === null ? null : { token: query, via: "query" };
  }

  return {
    largestBody: readableBytes(services),
    verify({ processId, service, pinned }, lines, queryToken, body, now) {
      const given = tokenOf(lines, queryToken);
      const attempt = given === null ? null : attemptOf(processId, given.token);
      const mode = service?.callbackAuth.mode ?? pinned?.callback.mode ?? null;
      const token = given === null || attempt === null ? null : { attempt, via: given.via };
      const tokenRefusal = given === null ? "token-missing" : "token-wrong";
      if (token === null && mode !== "none") return tokenRefusal;
      if (mode === null) return "cannot-tell";
      const own = keys.get(service?.name ?? "") ?? [];
      const messageId = mode === "token" ? null : signed(lines, body, own, now);
      const proof = proofOf(mode, token, messageId);
      // Without an address in today's file nobody here has said that reports need no proof.
      if (proof !== null && !(service === null && proof.via === "none")) return proof;
      const isAsked = [mode, pinned?.callback.mode].some((one) => one === "signature" || one === "both");
      const ids = keyIds.get(service?.name ?? "") ?? new Set();
      const lacksKey = pinned?.callback.keys.some((id) => !ids.has(id)) ?? false;
      const hasSignature = headerLines(lines, lowerFields.webhookSignature).length > 0;
      if (isAsked && lacksKey && hasSignature) return "cannot-tell";
      return token === null ? tokenRefusal : hasSignature ? "signature-wrong" : "signature-missing";
    },
    verifyFixed(service, lines, body, now) {
      const { mode, sharedToken } = service.callbackAuth;
      const [authorization] = headerLines(lines, "authorization");
      const bearer = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? "")?.[1] ?? "";
      const isShared = equalSecrets(bearer, sharedToken ?? "") && sharedToken !== null;
      const messageId = signed(lines, body, keys.get(service.name) ?? [], now);
      return isShared || messageId !== null || mode === "none" ? { messageId } : null;
    },
    refuse(lines, body, now) {
      const given = tokenOf(lines, null);
      attemptOf(decoyId, given?.token ?? `1.${"A".repeat(43)}`);
      signed(lines, body, decoyKeys, now);
      return null;
    },
  };
}

/**
 * null: what was given is not enough. A signature says neither which process nor which action it is for, so alone it
 * proves nothing here: the token stands beside it.
 */
function proofOf(
  mode: CallbackAuth["mode"],
  token: Pick<Proof, "attempt" | "via"> | null,
  messageId: string | null,
): Proof | null {
  if (token === null) return mode === "none" ? { attempt: null, via: "none", messageId } : null;
  const needsSignature = mode === "signature" || mode === "both";
  return needsSignature && messageId === null ? null : { ...token, messageId };
}

/**
 * How much of a report is read: four times the largest result that any route keeps. A report that is too large to be kept is
 * still understood, and ends its process truthfully; a larger one is refused unread.
 */
export function readableBytes(services: readonly Pick<Service, "routes">[]): number {
  const kept = services.flatMap(({ routes }) => routes.map((route) => route.process?.maxResultBytes ?? 0));
  return Math.max(65_536, 4 * Math.max(...kept, 0));
}
