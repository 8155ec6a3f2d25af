/** What the command line does is written to the audit, before it is done, under the name of the system's user. */
import type { Audit } from "@sticky-proxy/core/operators";
import { audited } from "@sticky-proxy/operations";
import { userInfo } from "node:os";
import { textFlag } from "../flags.ts";
import type { Parsed } from "../command.ts";

/** Of every command that acts: the audit's reason. */
export const whyFlag = { why: { type: "string" } } as const;

/** Who runs the command, and why. */
export function byWhom(flags: Parsed["flags"]): { readonly actor: string; readonly reason: string } {
  return { actor: userInfo().username, reason: textFlag(flags["why"]) ?? "" };
}

export interface Deed {
  /** "process.cancel", "cache.purge" … */
  readonly action: string;
  /** An id, a filter, a URL. */
  readonly target: string;
}

/**
 * Does what the deed names. `resultOf`: the word that the audit keeps of what came.
 * @throws AuditUnavailable when it cannot be written: then nothing was done
 */
export type Act = <T>(
  deed: Deed,
  flags: Parsed["flags"],
  work: () => Promise<T>,
  resultOf: (value: T) => string,
) => Promise<T>;

export function actWith(audit: Audit): Act {
  return (deed, flags, work, resultOf) =>
    audited(
      audit,
      {
        ...deed,
        ...byWhom(flags),
        role: "",
        source: "direct",
        address: "",
        requestId: "",
      },
      work,
      (outcome) => ("value" in outcome ? resultOf(outcome.value) : "error"),
    );
}
