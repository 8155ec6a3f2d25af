import { unkeyedPolicy, type RuleBook } from "@sticky-proxy/core/process";

import { plainWishes, readWishes, refuseWithoutProcess } from "../submit/wishes.ts";
import { isMirrored } from "../submit/submit.ts";
import type { Middleware } from "../state.ts";

export interface IdentifyDeps {
  readonly rules: RuleBook;
  /** Names that Sticky-Callback may give. */
  readonly endpoints: ReadonlySet<string>;
}

/**
 * Has this request an identity, and what does its client want? Decided from the head, before a byte of the body is
 * asked for. Reads state.service, state.route, state.head; writes state.wishes (null: plain proxying).
 */
export function identify({ rules, endpoints }: IdentifyDeps): Middleware {
  return function identify(ctx, next) {
    const { service, route, head } = ctx.state;
    const found = service === null || route === null ? null : rules.rulesFor(service, route);
    if (found === null) refuseWithoutProcess(head.headers);
    else {
      let wishes = route!.process === null ? null : readWishes(head.headers, found, endpoints);
      // A durable copy rests on a process record: a request without an identity gets one that is its own.
      if (wishes === null && isMirrored(route!))
        wishes = plainWishes(head.headers, { ...found, policy: unkeyedPolicy });
      ctx.state.wishes = wishes;
    }
    return next();
  };
}
