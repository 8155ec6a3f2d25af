/** `explain METHOD URL`: what the gateway would do with a request, without sending one. */
import { headerValue, parseRequestTarget, pathRefusal, type HeaderLine } from "@sticky-proxy/core/http";
import { explainMatch, type Explanation, type MatchLine, type Route } from "@sticky-proxy/core/registry";
import { exitCodes, loadOrExplain, parseFlags, UsageError, type Command, type Io } from "../command.ts";

export const command: Command = {
  summary:
    "tell which service, route and policy a request meets, and why not the others; exit code 1 where it meets none; sends nothing",
  usage:
    "explain METHOD URL [--header 'NAME: VALUE']… [--json] [--config FILE] [options of serve] (URL: a path, or http://HOST/PATH)",
  run(args, io) {
    const { flags, words } = parseFlags(
      args,
      { json: { type: "boolean" }, header: { type: "string", multiple: true } },
      { maxWords: 2 },
    );
    const [method, url] = words;
    if (method === undefined || url === undefined) throw new UsageError("needs a method and a URL");
    if (!/^[A-Z][A-Z-]*$/.test(method)) throw new UsageError("the method is written in capitals");
    const headers = headersFrom(flags.header);
    const loaded = loadOrExplain(flags, io);
    if (loaded === null) return Promise.resolve(exitCodes.config);
    const target = parseRequestTarget(method, url);
    if (target.kind !== "path") {
      const reason = target.kind === "invalid" ? target.reason : "the gateway answers OPTIONS * itself";
      return Promise.resolve(refuse(io, flags.json === true, reason));
    }
    const host = target.authority?.host ?? hostFrom(headers);
    const facts = { host, query: target.query, headers };
    if (target.path === "/_sticky" || target.path.startsWith("/_sticky/"))
      return Promise.resolve(refuse(io, flags.json === true, "the gateway answers /_sticky itself"));
    const found = explainMatch(loaded.config.services, method, target.path, facts);
    const refusal = pathRefusal(target.path, found.route ?? {});
    if (refusal !== null) return Promise.resolve(refuse(io, flags.json === true, refusal));
    if (flags.json === true) io.out(JSON.stringify(asJson(found), null, 2));
    else for (const line of asText(found)) io.out(line);
    return Promise.resolve(found.service === null ? exitCodes.failed : exitCodes.ok);
  },
};

function headersFrom(given: unknown): readonly HeaderLine[] {
  const texts = Array.isArray(given) ? given : [];
  return texts.map((text) => {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*)$/.exec(String(text));
    if (match === null) throw new UsageError("--header takes 'Name: value'");
    return [match[1]!, match[2]!] as const;
  });
}

function hostFrom(headers: readonly HeaderLine[]): string | null {
  const host = headerValue(headers, "host");
  return host === null ? null : host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

function refuse(io: Io, json: boolean, reason: string): number {
  if (json) io.out(JSON.stringify({ service: null, route: null, refused: reason }, null, 2));
  else io.out(`not matched: ${reason}`);
  return exitCodes.failed;
}

/** What a route does with a request, a word a policy. */
function policiesOf(route: Route | null): string[] {
  if (route === null) return ["plain"];
  const { process, cache, mirror } = route;
  const words = [
    ...(process === null ? [] : [`process (identity ${process.identity}, completion ${process.completion})`]),
    ...(cache === null ? [] : [`cache (${cache.profile})`]),
    ...(mirror === null || mirror.mode === "off" ? [] : [`mirror (${mirror.mode} to ${mirror.to})`]),
    ...(route.bodySchema === null ? [] : ["body schema"]),
  ];
  return words.length === 0 ? ["plain"] : words;
}

function asJson({ service, route, path, services, routes }: Explanation): unknown {
  return {
    service: service?.name ?? null,
    route: route?.name ?? null,
    path,
    policy: service === null ? [] : policiesOf(route),
    services: services.map(({ of, outcome }) => ({ name: of.name, outcome })),
    routes: routes.map(({ of, outcome }) => ({ name: of.name, path: of.match.path, outcome })),
  };
}

function asText(found: Explanation): string[] {
  const { service, route, path } = found;
  const lines =
    service === null
      ? ["service  none: 404 service-not-found"]
      : [
          `service  ${service.name}`,
          `route    ${route?.name ?? "none: proxied plainly"}`,
          `path     ${path} (as the service sees it)`,
          `policy   ${policiesOf(route).join(", ")}`,
        ];
  const others = [
    ...found.services
      .filter(({ outcome }) => outcome !== "taken")
      .map((line) => `service ${line.of.name}: ${why(line)}`),
    ...found.routes
      .filter(({ outcome }) => outcome !== "taken")
      .map((line) => `route ${line.of.name} (${line.of.match.path}): ${why(line)}`),
  ];
  return others.length === 0 ? lines : [...lines, "", "not taken:", ...others.map((line) => `  ${line}`)];
}

function why({ outcome }: MatchLine<unknown>): string {
  if (outcome === "later") return "matches too, and stands behind the one that is taken";
  if (outcome === "method" || outcome === "path" || outcome === "host") return `another ${outcome}`;
  return `lacks ${outcome}`;
}
