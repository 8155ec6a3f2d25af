// Messages and their header lines.
export {
  givesKey,
  headerJoined,
  headerLines,
  headerList,
  headerValue,
  keyLine,
  rawHeaders,
  withoutHeaders,
  type HeaderLine,
  type HeaderList,
  type RequestHead,
  type ResponseHead,
  type StoredResponse,
} from "./message.ts";
export {
  loopCount,
  repeatedSingleField,
  requestHeaders,
  responseFault,
  responseHeaders,
  responseTrailers,
  withoutNominated,
  tunnelledMethod,
} from "./header-rules.ts";
// Pages of other origins.
export { isCrossSite, isPreflight, preflightFields, withCors, type CorsPolicy } from "./cors.ts";
// Where a request comes from and goes to.
export { clientAddress, type ClientFacts } from "./client-address.ts";
export { looksProxied, readProxyHeader, type ProxiedSource } from "./proxy-protocol.ts";
export { parseAuthority, type Authority } from "./host.ts";
export { isSpeltAlike, normalisePath, pathRefusal } from "./path.ts";
export { parseRequestTarget, type RequestTarget } from "./request-target.ts";
export { isTraceparent, isTracestate } from "./trace-context.ts";
export {
  addressFault,
  addressOfHost,
  addressSet,
  isLoopbackHost,
  isMachineAddress,
  portFault,
} from "./addresses.ts";
export { acceptsCodings } from "./accept-encoding.ts";
export { mountedHeaders, ownReference, publicPrefix, type Mount } from "./mounted.ts";
