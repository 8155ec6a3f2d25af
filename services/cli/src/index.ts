export { commands } from "./cli.ts";
