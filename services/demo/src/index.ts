export { startDemo, type Demo } from "./app.ts";
