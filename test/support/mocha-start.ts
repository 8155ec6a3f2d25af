import { enableCompileCache } from "node:module";
import path from "node:path";

/** Mocha asks for endless stack traces; an error thrown deep in a recursion then costs seconds. */
Error.stackTraceLimit = 50;

/** Types are stripped and sources compiled once, also for the threads and processes that tests start. */
process.env.NODE_COMPILE_CACHE ??= path.join(import.meta.dirname, "../../.cache/compiled");
enableCompileCache(process.env.NODE_COMPILE_CACHE);
