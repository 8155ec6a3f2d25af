import { unkeyedPolicy, type RuleBook } from "@sticky-proxy/core/process";

import {
  plainSubmissionOptions,
  readSubmissionOptions,
  refuseWithoutProcess,
} from "../submit/submission-options.ts";
import { isMirrored } from "../submit/submission.ts";
import type { Middleware } from "../state.ts";

export interface IdentifyDeps {
  readonly rules: RuleBook;
  /** Names that Sticky-Callback may give. */
  readonly endpoints: ReadonlySet<string>;
}

/**
 * Reads the identity of the request and what its client asks for, from the head and before a byte of the body is read. Reads state.service, state.route, state.head; writes state.options (null: plain proxying).
 */
export function identify({ rules, endpoints }: IdentifyDeps): Middleware {
  return function identify(ctx, next) {
    const { service, route, head } = ctx.state;
    const found = service === null || route === null ? null : rules.rulesFor(service, route);
    if (found === null) refuseWithoutProcess(head.headers);
    else {
      let options = route!.process === null ? null : readSubmissionOptions(head.headers, found, endpoints);
      // Where the copy is required a process of its own carries the request; else it stays plain, and is copied from the side.
      if (options === null && isMirrored(route!) && route!.mirror!.outbox === "required")
        options = plainSubmissionOptions(head.headers, { ...found, policy: unkeyedPolicy });
      ctx.state.options = options;
    }
    return next();
  };
}
