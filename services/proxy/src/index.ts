export { createServer } from "./server.ts";
export type { ProxyServer } from "./server.ts";
export type { Log, ProxyDeps, ProxySettings, RequestObserved } from "./deps.ts";
export { createGateway, type Gateway, type GatewayDeps } from "./gateway.ts";
export type { CacheParts } from "./deps.ts";
export { commands } from "./cli.ts";
