export { createFairPool, mayTake, shareOf } from "./fair-pool.ts";
export { holderOfAddress, isPrincipal, holderOfPrincipal } from "./holder.ts";
export { createRateCounter, type Allowance } from "./rate-counter.ts";
