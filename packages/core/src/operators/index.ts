// Operators: their roles, tokens, sessions and pages.
export { includesRole, roleOfGroups, roles, type Role } from "./roles.ts";
export { readToken, writeToken, type OperatorToken, type OperatorTokens } from "./tokens.ts";
export { sessionState, sessionTtlMs, type Session, type Sessions } from "./sessions.ts";
export { openPage, sealPage } from "./page-token.ts";
export { answersAuditQuery, type Audit, type AuditEntry, type AuditQuery, type AuditStart } from "./audit.ts";
export {
  bulkActions,
  bulkKeptMs,
  bulkState,
  planningMs,
  startFault,
  type BulkAction,
  type BulkFilter,
  type BulkItem,
  type BulkJob,
  type BulkJobs,
  type BulkPlan,
} from "./bulk.ts";
