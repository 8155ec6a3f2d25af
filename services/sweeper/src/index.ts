export * from "./sweep.ts";
export { startSweeper } from "./main.ts";
