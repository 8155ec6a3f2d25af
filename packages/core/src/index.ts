export * from "./http/message.ts";
export * from "./registry/service.ts";
