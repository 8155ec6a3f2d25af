export { createClient } from "./client.ts";
export type {
  CallOptions,
  Client,
  ClientOptions,
  ProcessHandle,
  RerunOptions,
  ResultOptions,
} from "./client.ts";
export type { SubmitInit } from "./submission.ts";
export type { Fetch, RequestBody, RequestFields, RetryOptions } from "./transport.ts";
export type { WaitOptions } from "./wait.ts";
export {
  ConnectionError,
  isKnownProblem,
  isProblem,
  ProblemError,
  StickyError,
  UnexpectedResponseError,
  WaitTimeoutError,
} from "./errors.ts";
export type { ProblemDetails } from "./errors.ts";
export type {
  Executed,
  ProblemSlug,
  ProcessPhase,
  ProcessStatus,
  ProcessView,
  Progress,
} from "@sticky-proxy/protocol";
