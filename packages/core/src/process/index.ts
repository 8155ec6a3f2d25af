// The record and where it is kept.
export {
  blankRecord,
  isTerminal,
  listOf,
  recordFields,
  type DeadLetterClass,
  type ProcessRecord,
  type ProcessRef,
  type RecordField,
  type Status,
} from "./record.ts";
export {
  maxEarlyBytes,
  maxEarlyReports,
  InvalidCursor,
  HolderOverBudget,
  RecordDiffers,
  StoreUnavailable,
  type AttemptRef,
  type Change,
  type Changes,
  type CommitAnswer,
  type CreateAnswer,
  type Draft,
  type EarlyReport,
  type Lease,
  type Page,
  type PinStore,
  type ProcessStore,
  type Snapshot,
  type Spans,
  type StoredRequest,
  type TimelineEntry,
} from "./store.ts";
export { isToldByRecord, wholeTimeline, type TimelineLine } from "./timeline.ts";
// The state machine: events, birth, transition, what an alarm calls for.
export type { Circumstances, ProcessEvent, Transition } from "./events.ts";
export { birth, byAlarm, supersede, transition, type BeginRequest } from "./life.ts";
export { dutyOf, type Duty } from "./duty.ts";
// Who holds a service's own job id.
export { holdersWith } from "./jobs.ts";
// The rules of a route.
export { readPin, type PinnedRules } from "./pinned.ts";
export {
  createRuleBook,
  unkeyedPolicy,
  type FoundRoute,
  type RuleBook,
  type Rules,
  type RulesRef,
  type Standing,
} from "./rules.ts";
// What a service's answers and reports mean.
export { idText, meaningOf, resultId, storedHeaders } from "./answer.ts";
export { readOutcome } from "./outcome.ts";
export { readPolled, usualPollWords } from "./polled.ts";
// How a client sees a process.
export { problemOf, processId, retryableOf, viewOf } from "./view.ts";
