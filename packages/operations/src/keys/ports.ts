import type { ApiKey } from "@sticky-proxy/core/principal";

/** What the verbs on API keys need. */
export interface KeyPorts {
  readonly store: {
    all(): Promise<ReadonlyMap<string, ApiKey>>;
    add(digest: string, key: ApiKey): Promise<void>;
    remove(id: string): Promise<ApiKey | null>;
  };
  /** Epoch ms. */
  readonly now: () => number;
  /** Fresh random bytes. */
  readonly random: (bytes: number) => Uint8Array;
}
