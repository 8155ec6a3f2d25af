/** Opens connections to instances, with the TLS policy that their service has at that moment. */
import type { UpstreamTls } from "@sticky-proxy/core/registry";
import { buildConnector } from "undici";

import { createTlsFiles, type TlsOptions } from "./tls-files.ts";

/** A connector of a set of files keeps TLS sessions to be resumed. */
const connectors = new WeakMap<TlsOptions, Map<number, buildConnector.connector>>();
const plain: TlsOptions = { minVersion: "TLSv1.2" };
const filesOf = createTlsFiles(() => performance.now());

/** @param tlsOf null: the system's authorities, no client certificate */
export function connectorOf(connectMs: number, tlsOf: () => UpstreamTls | null): buildConnector.connector {
  return (options, callback) => {
    const policy = tlsOf();
    let files: TlsOptions;
    try {
      files = policy === null ? plain : filesOf(policy);
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    const { servername } = files;
    connectorFor(files, connectMs)(servername === undefined ? options : { ...options, servername }, callback);
  };
}

function connectorFor(files: TlsOptions, connectMs: number): buildConnector.connector {
  let ofFiles = connectors.get(files);
  if (ofFiles === undefined) connectors.set(files, (ofFiles = new Map<number, buildConnector.connector>()));
  let connector = ofFiles.get(connectMs);
  if (connector === undefined) {
    const { servername: _, ...options } = files;
    // undici offers h2 unless it is told not to; what stands behind this connection reads HTTP/1.1.
    connector = buildConnector({ timeout: connectMs, allowH2: false, ...options });
    ofFiles.set(connectMs, connector);
  }
  return connector;
}
