export { createApiKeys } from "./authentication/api-keys.ts";
export { createAuthenticator } from "./authentication/authenticator.ts";
export { createRates, type Rates } from "./authentication/rates.ts";
export type { CacheParts, ProxyDeps, ProxySettings, RequestObserved } from "./deps.ts";
export { createPurgeAccess } from "./cache/purge-access.ts";
export { createGateway, type Gateway } from "./gateway.ts";
export type { ListenerTls } from "./listener/http-server.ts";
export { createServer, type ProxyServer } from "./listener/server.ts";
export { openTlsMaterial, type TlsPolicy } from "./listener/tls-material.ts";
