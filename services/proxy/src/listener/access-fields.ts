/** The fields of the access line that a request of the chain and a tunnel share. Paths without their query. */
import type { ProxyState } from "../state.ts";

export interface Ended {
  /** What was sent; null: nothing, the client left first. */
  readonly status: number | null;
  readonly durationMs: number;
  readonly bytesIn: number;
  /** What the connection took since the request began, the head included. */
  readonly bytesOut: number;
}

type Of = Pick<ProxyState, "requestId" | "traceparent" | "client" | "head" | "seen"> & {
  readonly service: { readonly name: string } | null;
  readonly route: { readonly name: string } | null;
};

export function accessFields(
  { requestId, traceparent, client, head, service, route, seen }: Of,
  { status, durationMs, bytesIn, bytesOut }: Ended,
): Record<string, unknown> {
  return {
    requestId,
    traceId: traceparent.split("-", 2)[1] ?? null, // version-trace-parent-flags
    client: client.address,
    method: head.method,
    path: head.path,
    service: service?.name ?? null,
    route: route?.name ?? null,
    status,
    durationMs: Math.round(durationMs * 10) / 10,
    bytesIn,
    bytesOut,
    ...upstreamFields(seen),
  };
}

/** `attempts` 0: the service was not asked for this request. */
function upstreamFields({ attempts, instance, failed }: ProxyState["seen"]): Record<string, unknown> {
  if (failed === null) return { instance, attempts };
  const { error, reason, code } = failed;
  return {
    instance,
    attempts,
    upstreamError: error,
    upstreamReason: reason,
    ...(code === null ? {} : { upstreamCode: code }),
  };
}
