export * from "./problems.ts";
export * from "./headers.ts";
export * from "./prefer.ts";
export * from "./response-fields.ts";
export * from "./process-view.ts";
export * from "./json.ts";
export * from "./callback.ts";
export * from "./signature.ts";
