export { createFairPool } from "./fair-pool.ts";
export { holderOfAddress } from "./holder.ts";
