export { collectBody } from "./collect-body.ts";
export type { Attempt } from "./attempt.ts";
export { createForwarder, type Forwarder, type ForwarderOptions, type Tunneller } from "./forward.ts";
export { createAddressGuard } from "./guard.ts";
export { createHealthView } from "./health-view.ts";
export { createProber, type ProbeResult } from "./health.ts";
export {
  createOutboundCaller,
  createOutboundCallers,
  type OutboundAnswer,
  type OutboundCaller,
  type OutboundCallers,
} from "./outbound-call.ts";
export { failedWith, type Failed, type Responded, type UpstreamOutcome } from "./outcome.ts";
export type { HealthView, TrafficSnapshot, TrafficView } from "./traffic.ts";
export { contentCodings, decodeBody, type DecodeBounds } from "./decode-body.ts";
export type { ForwardClient, ForwardRequest, UpstreamSeen } from "./forward-request.ts";
