export { createAdminApp } from "./app.ts";
