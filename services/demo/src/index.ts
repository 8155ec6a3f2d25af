export { createApp, startDemo, type Demo } from "./app.ts";
export { defaultOptions, type DemoOptions } from "./instance.ts";
