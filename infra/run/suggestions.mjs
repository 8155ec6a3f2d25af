// Requests to try, for the services of somebody's own configuration.

/** More than these nobody reads at a start. */
const most = 6;

/**
 * @param {{ services: Record<string, { match: "none" | { host: string | null, path: string }, routes?: readonly object[] }> }} config as print-config --json tells it
 * @param {string} base without a slash at its end
 * @returns {string[]} comments and curl lines
 */
export function suggestions({ services }, base) {
  const lines = Object.entries(services).flatMap(([name, service]) =>
    service.match === "none" ? [] : ofService(name, service, base),
  );
  const left = lines.length - most;
  const shown = lines.slice(0, most).flat();
  return left > 0 ? [...shown, `# … and ${left} more: npm run -s sticky-proxy -- explain`] : shown;
}

function ofService(name, { match, routes = [] }, base) {
  const named = routes.length === 0 ? [{ match: { methods: ["GET"], path: "/" } }] : routes;
  return named.map((route) => {
    const method = route.match?.methods?.[0] ?? "GET";
    const path = joined(match.path, example(route.match?.path ?? "/"));
    const host = first(match.host ?? route.match?.host ?? route.match?.hosts);
    const isWrite = !["GET", "HEAD", "OPTIONS"].includes(method);
    const options = [
      ...(method === "GET" ? [] : method === "HEAD" ? ["-I"] : ["-X", method]),
      ...(host === null ? [] : ["-H", quoted(`Host: ${host}`)]),
      ...(route.process?.identity === "key" ? ["-H", quoted(`Idempotency-Key: "try-1"`)] : []),
      ...(isWrite ? ["-H", quoted("Content-Type: application/json"), "-d", quoted("{}")] : []),
    ];
    return [`# ${name}${aboutRoute(route)}`, ["curl -i", ...options, quoted(base + path)].join(" "), ""];
  });
}

function aboutRoute({ process, cache, mirror }) {
  if (process)
    return process.identity === "key" ? ": send it again, and it runs once" : ": a process of its own";
  if (cache) return ": again, and it comes from the cache";
  return mirror ? ": and a copy to the second backend" : "";
}

/** A path with something in the place of each parameter of a pattern. */
function example(pattern) {
  return pattern
    .replaceAll(/:[A-Za-z_]\w*(\([^)]*\))?[?*+]?/g, "1")
    .replaceAll(/[{}]/g, "")
    .replaceAll("*", "1");
}

function joined(prefix, path) {
  const start = example(prefix ?? "/").replace(/\/$/, "");
  return path === "/" && start !== "" ? `${start}/` : `${start}${path}`;
}

function first(hosts) {
  const host = Array.isArray(hosts) ? hosts[0] : hosts;
  return typeof host === "string" ? host.replace(/^\*\./, "www.") : null;
}

/** For a shell: the text may hold anything. */
function quoted(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
