/** uri-host and port of a Host field or an authority (RFC 9110 7.2, RFC 3986 3.2). */

export interface Authority {
  /** Lower-case, without a port and without the dot at the end of a full name; IPv6 literals keep their brackets. */
  readonly host: string;
  /** null: not given. */
  readonly port: number | null;
  /** As received, what a Host field towards the service says when the route keeps it. */
  readonly text: string;
}

// reg-name without "," (a joined list of two hosts must not pass as one name).
const registeredName = /^(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+$/;
const literal = /^\[(?:[0-9A-Fa-f:.]{2,45}|[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+)\]$/;

/** null: not a host that one request can be for (empty, with userinfo, with a path, port above 65535 …). */
export function parseAuthority(text: string): Authority | null {
  const end = text.startsWith("[") ? text.indexOf("]") + 1 : text.indexOf(":");
  const host = end <= 0 ? (end === 0 ? "" : text) : text.slice(0, end);
  const rest = text.slice(host.length);
  if (!(host.startsWith("[") ? literal : registeredName).test(host)) return null;
  const name = withoutRootDot(host.toLowerCase());
  if (name === "") return null;
  if (rest === "" || rest === ":") return { host: name, port: null, text };
  if (!/^:[0-9]{1,5}$/.test(rest)) return null;
  const port = Number(rest.slice(1));
  return port > 65535 ? null : { host: name, port, text };
}

/** "shop.test." is the full name of "shop.test" (RFC 1034 3.1). */
export function withoutRootDot(host: string): string {
  return host.endsWith(".") ? host.slice(0, -1) : host;
}
