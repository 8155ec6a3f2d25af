export * from "./http/message.ts";
export * from "./registry/service.ts";
export * from "./process/record.ts";
export * from "./process/store.ts";
