export { createFairPool, mayTake } from "./fair-pool.ts";
export { holderOfAddress } from "./holder.ts";
