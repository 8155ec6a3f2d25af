/** What the entries of one route must hold toward each other and toward their service. */
import { isCredential } from "@sticky-proxy/core/mirror";
import { notReserved } from "./checks.ts";
import { soundItems, type Report, type SoundService } from "./sound.ts";

type SoundRoute = NonNullable<SoundService["routes"][number]>;
type SoundProcess = NonNullable<SoundRoute["process"]>;
type SoundMirror = NonNullable<SoundRoute["mirror"]>;

/** @param ofService path of the service; @param at path of the route */
export function checkRoute(
  ofService: string,
  at: string,
  route: SoundRoute,
  service: SoundService,
  report: Report,
): void {
  const { process, cache, mirror } = route;
  if (/%2f/i.test(route.match.path) && !route.encodedSlash)
    report(
      `${at}.match.path`,
      "holds an encoded slash, which needs encodedSlash: true",
      `${at}.encodedSlash`,
    );
  if (process !== null && cache !== null) report(at, "a route may not have both cache and process");
  if (route.allowUpgrade && (process !== null || cache !== null || mirror !== null))
    report(`${at}.allowUpgrade`, "an upgraded connection cannot be cached, mirrored or made a process");
  if (service.match !== undefined && service.match !== "none" && service.match.path === "/")
    checkReserved(`${at}.match.path`, route.match.path, report);
  checkOrder(`${at}.retries`, route.retries, report);
  if (process !== null) {
    checkOrder(`${at}.process.retries`, process.retries, report);
    checkOrder(`${at}.process.pollLocation`, process.pollLocation, report);
    checkProcess(`${at}.process`, process, route, report);
    checkOnUnknown(ofService, `${at}.process`, process, service, report);
    checkCorrelate(ofService, `${at}.process`, process, service, report);
  }
  if (mirror !== null) checkMirror(at, mirror, route, service, report);
}

export function checkReserved(at: string, path: string, report: Report): void {
  if (path === "/_sticky" || path.startsWith("/_sticky/")) report(at, notReserved);
}

type Range = { readonly minMs: number; readonly maxMs: number };

function checkOrder(at: string, range: Range | null | undefined, report: Report): void {
  if (range && range.minMs > range.maxMs) report(`${at}.minMs`, "must not exceed maxMs", `${at}.maxMs`);
}

function checkProcess(at: string, process: SoundProcess, route: SoundRoute, report: Report): void {
  if (process.key !== undefined && process.identity !== "key")
    report(`${at}.key`, "is only for identity key", `${at}.identity`);
  if (process.keyFrom !== null && (process.identity !== "key" || process.key === "ignored"))
    report(`${at}.keyFrom`, "is only for identity key, where the key counts", `${at}.identity`);
  if (process.force === true && process.identity === "none")
    report(`${at}.force`, "identity none always starts anew, there is nothing to force");
  if (process.retries !== undefined && route.retries !== undefined)
    report(`${at}.retries`, "is also given on the route; give one of the two");
  if ((process.heartbeatTimeoutMs ?? 0) > (process.deadlineMs ?? Infinity))
    report(`${at}.heartbeatTimeoutMs`, "must not exceed deadlineMs");
}

function checkOnUnknown(
  ofService: string,
  at: string,
  { onUnknown, probe }: SoundProcess,
  { honoursKey }: SoundService,
  report: Report,
): void {
  const words = typeof onUnknown === "object" ? Object.entries(onUnknown) : [["", onUnknown] as const];
  for (const [event, word] of words) {
    const where = event === "" ? `${at}.onUnknown` : `${at}.onUnknown.${event}`;
    if (word === "retry" && !honoursKey)
      report(
        where,
        "retry needs a service that honoursKey: it may already have run the request",
        `${ofService}.honoursKey`,
      );
    if (word === "probe" && probe === null) report(where, "probe needs process.probe", `${at}.probe`);
  }
}

function checkCorrelate(
  ofService: string,
  at: string,
  { callback }: SoundProcess,
  { callbackAuth }: SoundService,
  report: Report,
): void {
  const { secrets, sharedToken, mode } = callbackAuth;
  const hasProof = secrets.length > 0 || sharedToken !== null || mode === "none";
  if (callback.correlate !== null && !hasProof)
    report(
      `${at}.callback.correlate`,
      "needs callbackAuth.secrets or callbackAuth.sharedToken of the service",
      `${ofService}.callbackAuth`,
    );
}

function checkMirror(
  ofRoute: string,
  mirror: SoundMirror,
  route: SoundRoute,
  service: SoundService,
  report: Report,
): void {
  const at = `${ofRoute}.mirror`;
  if (mirror.mode === "dual-write") {
    const { orderKey } = mirror;
    const credential = soundItems(service.credential).map(([, name]) => name);
    if (orderKey !== null && "header" in orderKey && isCredential(orderKey.header, credential))
      report(`${at}.orderKey.header`, "is a credential, which is not kept for a copy");
    if (mirror.rate !== undefined)
      report(`${at}.rate`, "dual-write mirrors everything; sample compare.sampleRate instead");
    if (mirror.credentials === "forward")
      report(`${at}.credentials`, "dual-write never stores credentials, so it cannot forward them");
    if (route.cache !== null) report(at, "dual-write is for writes and may not be on a cached route");
  }
  const methods = soundItems(route.match.methods).map(([, method]) => method);
  const readsOnly = methods.length > 0 && methods.every((method) => method === "GET" || method === "HEAD");
  if (mirror.mode === "dual-read" && !readsOnly)
    report(at, "dual-read needs match.methods of GET and HEAD only", `${ofRoute}.match.methods`);
}
