/** Who a request to a service is from, and the request as that service gets it. */
import type { KeyObject } from "node:crypto";
import type { RequestHead } from "@sticky-proxy/core/http";
import {
  credentialRules,
  headersToService,
  principalOf,
  withoutCookies,
  type Grant,
  type Principal,
} from "@sticky-proxy/core/principal";
import type { Logger } from "@sticky-proxy/runtime";
import type { Found } from "../middleware/service-finder.ts";
import type { Received } from "../state.ts";
import { demandScope, demandSending, grantOf, type Authenticator } from "./authenticator.ts";
import type { Asking } from "./method.ts";

export interface AdmitDeps {
  /** Keys the digests of principals; shared by all replicas. */
  readonly secret: KeyObject;
  /** null: clients are not authenticated. */
  readonly authenticator: Authenticator | null;
  readonly log: Pick<Logger, "info">;
}

export interface Admitted {
  readonly principal: Principal;
  readonly grant: Grant | null;
  readonly serviceHead: RequestHead;
}

export function askingOf({
  head,
  client,
  certificate,
}: Pick<Received, "head" | "client" | "certificate">): Asking {
  const target = head.query === null ? head.path : `${head.path}?${head.query}`;
  return { headers: head.headers, method: head.method, target, certificate, client };
}

/** Where no authentication is configured; waits for nobody. */
export function admitAnybody(secret: KeyObject, { head }: Received, found: Found): Admitted {
  const rules = credentialRules(found.service, found.route);
  const serviceHead = withoutIgnored(found.route, found.serviceHead);
  return { principal: principalOf(secret, head.headers, rules, null), grant: null, serviceHead };
}

function withoutIgnored(route: Found["route"], head: RequestHead): RequestHead {
  if (route?.cookies !== "ignore") return head;
  return { ...head, headers: withoutCookies(head.headers, route.cache?.keyCookies ?? []) };
}

/** @throws Problem unauthorized, forbidden, authentication-unavailable */
export async function admit(
  { secret, log }: AdmitDeps,
  authenticator: Authenticator,
  received: Received,
  { service, route, serviceHead }: Found,
): Promise<Admitted> {
  const { head, requestId } = received;
  const mode = isPreflight(head) ? "off" : service.authentication;
  const proof =
    mode === "off" ? ({ kind: "absent" } as const) : await authenticator.prove(askingOf(received));
  if (proof.kind === "refused" || proof.kind === "unavailable")
    log.info("authentication.refused", { requestId, service: service.name, why: proof.why });
  const grant = grantOf(proof, mode, service.name);
  demandSending(grant, head.method, service.name);
  if (asksForForce(head)) demandScope(grant, "force", service.name);
  const forwards = route?.forwardCredential ?? false;
  return {
    principal: principalOf(secret, head.headers, credentialRules(service, route), grant?.subject ?? null),
    grant,
    serviceHead: withoutIgnored(route, {
      ...serviceHead,
      headers: headersToService(serviceHead.headers, authenticator.policy, grant, forwards),
    }),
  };
}

function asksForForce({ headers }: RequestHead): boolean {
  return headers.some(([name]) => name.toLowerCase() === "sticky-force");
}

/** Browsers send no credential with a preflight (Fetch 4.8), so none can be asked for. */
function isPreflight({ method, headers }: RequestHead): boolean {
  return (
    method === "OPTIONS" &&
    ["origin", "access-control-request-method"].every((wanted) =>
      headers.some(([name]) => name.toLowerCase() === wanted),
    )
  );
}
