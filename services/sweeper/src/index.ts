export { createSweeper, type SweepDeps, type Sweeper } from "./sweep.ts";
