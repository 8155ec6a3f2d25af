/**
 * Is this callback from the service? By the execution token, by a Standard Webhooks signature over the raw bytes, or
 * both, as the service is configured. Compares in constant time, and works as long on an unknown process.
 */
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

export interface Proof {
  /** The attempt that the token belongs to; null: proven without a token, so the current attempt is meant. */
  readonly attempt: number | null;
  /** How it came: a payload of the service's own form is expected from those that cannot set header fields. */
  readonly via: "header" | "query" | "signature" | "none";
}

/** What the report of a process is judged by. */
export interface Judged {
  readonly processId: string;
  /** null: not in today's file. */
  readonly service: Service | null;
  /** What the process began with; null: not known. */
  readonly pinned: Pick<PinnedRules, "callback"> | null;
}

/** `cannot-tell`: it may be authentic, and this node lacks the signing key or the rules that would say so. */
export type Judgement = Proof | "refused" | "cannot-tell";

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
  /** For a fixed webhook address: a signature or the shared token, as `Authorization: Bearer` or in the signature. */
  verifyFixed(service: Service, lines: HeaderList, body: Uint8Array, now: number): boolean;
  /** Does the work of a refusal and refuses: an unknown process must not be told apart by time. */
  refuse(lines: HeaderList, body: Uint8Array, now: number): null;
}

const decoyId = "0.AAAAAAAAAAAAAAAAAAAAAA.1";

/**
 * @param services those of the start: a service with secrets of its own needs a restart
 * @param keyId names a signing secret as the pinned rules do
 */
export function createCallbackVerifier(
  secret: Buffer,
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
  const decoyKeys = [{ bytes: secret }];

  function signed(lines: HeaderList, body: Uint8Array, using: readonly SigningKey[], now: number): boolean {
    const received = {
      id: headerLines(lines, lowerFields.webhookId),
      timestamp: headerLines(lines, lowerFields.webhookTimestamp),
      signature: headerLines(lines, lowerFields.webhookSignature),
    };
    return verifyWebhook(received, body, using, now).valid;
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
      const attempt = given === null ? null : verifyExecutionToken(secret, processId, given.token);
      const token: Proof | null = given === null || attempt === null ? null : { attempt, via: given.via };
      const mode = service?.callbackAuth.mode ?? pinned?.callback.mode ?? null;
      const isWrong = given !== null && token === null;
      if (isWrong && mode !== "signature" && mode !== "none") return "refused";
      if (mode === null) return token === null ? "refused" : "cannot-tell";
      const own = keys.get(service?.name ?? "") ?? [];
      const isSigned = mode === "token" ? false : signed(lines, body, own, now);
      const proof = proofOf(mode, { given: given !== null, token, isSigned });
      // Without an address in today's file nobody here has said that reports need no proof.
      if (proof !== null && !(service === null && proof.via === "none")) return proof;
      const modes = [mode, pinned?.callback.mode ?? mode];
      const isAsked = modes.some((one) => one !== "token" && (one !== "both" || token !== null));
      const ids = keyIds.get(service?.name ?? "") ?? new Set();
      const lacksKey = pinned?.callback.keys.some((id) => !ids.has(id)) ?? false;
      const hasSignature = headerLines(lines, lowerFields.webhookSignature).length > 0;
      return isAsked && lacksKey && hasSignature ? "cannot-tell" : "refused";
    },
    verifyFixed(service, lines, body, now) {
      const { mode, sharedToken } = service.callbackAuth;
      if (mode === "none") return true;
      const [authorization] = headerLines(lines, "authorization");
      const bearer = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? "")?.[1] ?? "";
      const isShared = equalSecrets(bearer, sharedToken ?? "") && sharedToken !== null;
      const isSigned = signed(lines, body, keys.get(service.name) ?? [], now);
      return isShared || isSigned;
    },
    refuse(lines, body, now) {
      const given = tokenOf(lines, null);
      verifyExecutionToken(secret, decoyId, given?.token ?? `1.${"A".repeat(43)}`);
      signed(lines, body, decoyKeys, now);
      return null;
    },
  };
}

/** null: what was given is not enough. */
function proofOf(
  mode: CallbackAuth["mode"],
  { given, token, isSigned }: { given: boolean; token: Proof | null; isSigned: boolean },
): Proof | null {
  switch (mode) {
    case "token":
      return token;
    case "signature":
      return isSigned ? (token ?? { attempt: null, via: "signature" }) : null;
    case "either":
      // A token that is wrong is not outweighed by silence about signatures, nor the other way round.
      return token ?? (isSigned && !given ? { attempt: null, via: "signature" } : null);
    case "both":
      return isSigned ? token : null;
    case "none":
      return token ?? { attempt: null, via: "none" };
  }
}

/**
 * How much of a report is read: four times the largest result that any route keeps. A report that is too large to be kept is
 * still understood, and ends its process truthfully; a larger one is refused unread.
 */
export function readableBytes(services: readonly Pick<Service, "routes">[]): number {
  const kept = services.flatMap(({ routes }) => routes.map((route) => route.process?.maxResultBytes ?? 0));
  return Math.max(65_536, 4 * Math.max(...kept, 0));
}
