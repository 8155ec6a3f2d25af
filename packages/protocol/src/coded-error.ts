/**
 * Base of the errors that the gateway defines. `code` names the kind in upper case, as Node does for its own errors; a
 * problem's code is its slug. Logs print it beside the message.
 */
export abstract class CodedError extends Error {
  abstract readonly code: string;
}
