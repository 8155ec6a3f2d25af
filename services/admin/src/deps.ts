/** What the routes of the admin API work with. Wired by main.ts. */
import type {
  BulkPorts,
  CachePorts,
  KeyQuery,
  MigrationPorts,
  MirrorPorts,
  TokenPorts,
} from "@sticky-proxy/operations";
import type { Processes } from "@sticky-proxy/engine";
import type { ProcessRecord } from "@sticky-proxy/core/process";
import type { Audit, BulkJobs } from "@sticky-proxy/core/operators";
import type { Service } from "@sticky-proxy/core/registry";
import type { SeriesStore } from "@sticky-proxy/core/series";
import type { Logins } from "./access/logins.ts";
import type { CookieShape } from "./access/cookie.ts";
import type { Pages } from "./http/pages.ts";

export interface PauseView {
  readonly service: string;
  /** null: the service, for all. */
  readonly caller: string | null;
  readonly ms: number;
}

/** How long the service is paused for all; 0: it is not, whichever of its callers may be. */
export function servicePauseMs(pauses: readonly PauseView[], service: string): number {
  return pauses.find((pause) => pause.service === service && pause.caller === null)?.ms ?? 0;
}

/** What replicas have told each other. */
export interface RegistryView {
  /** The prober's word by instance name. */
  health(
    service: string,
  ): Promise<ReadonlyMap<string, { readonly state: string; readonly reason: string; readonly at: number }>>;
  pauses(services: readonly string[]): Promise<readonly PauseView[]>;
  openBreakers(service: string): Promise<ReadonlySet<string>>;
  replicas(): Promise<
    readonly {
      readonly id: string;
      readonly role: string;
      readonly version: string;
      readonly startedAt: number;
      readonly config: string;
    }[]
  >;
}

export interface BulkParts {
  readonly jobs: BulkJobs;
  readonly ports: BulkPorts;
  readonly newId: () => string;
  /** Runs beside the request; a failure is logged under `what`, and the end of the service waits for it. */
  readonly inBackground: (what: string, work: () => Promise<void>) => void;
}

export interface AdminDeps {
  readonly bulk: BulkParts;
  readonly audit: Audit;
  readonly logins: Logins;
  readonly cookie: CookieShape;
  readonly tokens: TokenPorts;
  readonly pages: Pages;
  readonly processes: Processes;
  readonly tellCancelled: (record: ProcessRecord) => void;
  /** By the client's key or the service's own job id; null: none is kept. @throws StoreUnavailable */
  readonly lookUp: (
    by: KeyQuery | { readonly service: string; readonly jobId: string },
  ) => Promise<ProcessRecord | null>;
  /** The configured services, as this replica's file has them. */
  readonly configured: () => readonly Service[];
  /** Names of the services that are configured or have had processes. @throws StoreUnavailable */
  readonly serviceNames: () => Promise<readonly string[]>;
  /** The store's clock, epoch ms. @throws StoreUnavailable */
  readonly now: () => Promise<number>;
  readonly redact: (value: unknown) => unknown;
  readonly registry: RegistryView;
  readonly cache: CachePorts;
  readonly mirror: MirrorPorts;
  readonly moving: MigrationPorts;
  readonly series: Pick<SeriesStore, "read">;
  readonly version: string;
  readonly environment: string;
  readonly configText: () => string;
}
