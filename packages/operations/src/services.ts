import type { Service } from "@sticky-proxy/core/registry";

export interface ServicePorts {
  readonly configured: readonly Pick<Service, "name">[];
  /** Names of the services that have had processes. */
  readonly registered: () => Promise<readonly string[]>;
}

/** Names of the services that are configured or have had processes, sorted, each once. @throws StoreUnavailable */
export async function listServices({ configured, registered }: ServicePorts): Promise<readonly string[]> {
  const names = new Set([...configured.map(({ name }) => name), ...(await registered())]);
  return [...names].sort();
}
