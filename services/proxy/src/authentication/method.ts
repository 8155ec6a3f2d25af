import type { HeaderList } from "@sticky-proxy/core/http";
import type { ClientCertificate, Proof } from "@sticky-proxy/core/principal";
import type { Clock } from "@sticky-proxy/protocol";
import type { OutboundCaller } from "@sticky-proxy/upstream";

/** What a method may look at. */
export interface Asking {
  readonly headers: HeaderList;
  readonly method: string;
  /** As the client sent it: path and query. */
  readonly target: string;
  /** Shown in the TLS handshake with us; null: none. */
  readonly certificate: ClientCertificate | null;
  readonly client: {
    readonly peer: string;
    readonly address: string;
    readonly protocol: string;
    readonly host: string;
  };
}

/** One way to prove who one is. Never rejects. */
export type ProvingMethod = (asking: Asking) => Promise<Proof> | Proof;

export interface MethodDeps {
  readonly call: OutboundCaller["call"];
  readonly clock: Pick<Clock, "now" | "monotonic">;
}
