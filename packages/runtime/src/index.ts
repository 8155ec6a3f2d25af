export * from "./config/config.ts";
export { loadConfig, configHash, type LoadResult } from "./config/load.ts";
export { options, type Option, type FlagValue, type Sources } from "./config/sources.ts";
export { readSources, type ReadResult } from "./config/read-sources.ts";
export { redactedConfig } from "./config/redacted.ts";
export { describeConfig, type ConfigRow } from "./config/describe.ts";
export { isLoopback } from "./config/relations.ts";
