export type { CacheParts, ProxyDeps, ProxySettings, RequestObserved } from "./deps.ts";
export { createGateway, type Gateway } from "./gateway.ts";
export { createServer, type ProxyServer } from "./listener/server.ts";
