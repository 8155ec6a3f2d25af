/** The files by which this gateway trusts a service, and proves itself to it: read again when they change. */
import { readFileSync } from "node:fs";

import type { UpstreamTls } from "@sticky-proxy/core/registry";
import { CodedError } from "@sticky-proxy/protocol";

export class TlsFilesUnusable extends CodedError {
  override readonly name = "TlsFilesUnusable";
  override readonly code = "ERR_TLS_FILES";
}

/** In the words of node:tls. */
export interface TlsOptions {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
  readonly minVersion: UpstreamTls["minVersion"];
}

/** Rotated files are used within this. A connection is made seldom, a file read takes some 20 µs. */
const freshMs = 5000;

/**
 * The options of a policy. The same object is returned while nothing has changed, so that what was made of it can be kept.
 * @throws TlsFilesUnusable which file cannot be read, and why
 */
export function createTlsFiles(now: () => number): (policy: UpstreamTls) => TlsOptions {
  const known = new Map<string, { readonly options: TlsOptions; readAt: number }>();
  return (policy) => {
    const name = JSON.stringify(policy);
    const found = known.get(name);
    if (found !== undefined && now() - found.readAt < freshMs) return found.options;
    const options = read(policy);
    if (found !== undefined && isSame(found.options, options)) {
      found.readAt = now();
      return found.options;
    }
    known.set(name, { options, readAt: now() });
    return options;
  };
}

function read({ ca, cert, key, serverName, minVersion }: UpstreamTls): TlsOptions {
  return {
    minVersion,
    ...(ca === null ? {} : { ca: contents(ca) }),
    ...(cert === null ? {} : { cert: contents(cert) }),
    ...(key === null ? {} : { key: contents(key) }),
    ...(serverName === null ? {} : { servername: serverName }),
  };
}

function contents(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new TlsFilesUnusable(`${path} cannot be read: ${code ?? message}`, { cause: error });
  }
}

function isSame(a: TlsOptions, b: TlsOptions): boolean {
  return (["ca", "cert", "key"] as const).every((name) => {
    const [one, other] = [a[name], b[name]];
    return one === undefined || other === undefined ? one === other : one.equals(other);
  });
}
