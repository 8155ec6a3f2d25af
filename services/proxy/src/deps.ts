/** What the proxy is handed. Only main.ts knows the concrete parts. */
import type { KeyObject } from "node:crypto";
import type Router from "@koa/router";
import type { CacheInvalidation } from "@sticky-proxy/engine";
import type { CorsPolicy } from "@sticky-proxy/core/http";
import type { Service } from "@sticky-proxy/core/registry";
import type { NodeMigrations } from "@sticky-proxy/node";
import type { Limits, Logger } from "@sticky-proxy/runtime";
import type { Forwarder, Tunneller } from "@sticky-proxy/upstream";

import type { Authenticator } from "./authentication/authenticator.ts";
import type { Rates } from "./authentication/rates.ts";
import type { CacheDeps } from "./cache/cache-deps.ts";
import type { DurableCopyDeps } from "./middleware/durable-copy.ts";
import type { IdentifyDeps } from "./middleware/identify.ts";
import type { ListenerTls } from "./listener/http-server.ts";
import type { MirrorDeps } from "./middleware/mirror.ts";
import type { SubmitDeps } from "./submit/submission.ts";

/** One request, when its response has ended; everything metrics and the access line need. */
export interface RequestObserved {
  /** null: no service took it. */
  readonly service: string | null;
  /** null: plain traffic of the service. */
  readonly route: string | null;
  /** For a resource of the gateway's own. */
  readonly isOwn: boolean;
  readonly method: string;
  /** What was sent; null: nothing, the client left first. */
  readonly status: number | null;
  readonly durationMs: number;
  /** Of the request's body; null: none, or a stream of unknown length. */
  readonly requestBytes: number | null;
  /** What the connection took since the request began, the head included. */
  readonly responseBytes: number;
}

export interface ProxySettings {
  /** Our name in Via, the same on every replica. */
  readonly pseudonym: string;
  /** Our name in CDN-Loop: unique to this deployment. */
  readonly loopId: string;
  /** Lower-case hosts this gateway answers for, 421 for others; empty: all. */
  readonly hosts: readonly string[];
  /** CIDR blocks of our own proxies, whose forwarding fields are believed. */
  readonly trustedProxies: readonly string[];
  /** CIDR blocks of peers whose connections begin with a PROXY protocol header. */
  readonly proxyProtocol: readonly string[];
  /** For pages of other origins on the gateway's own resources; null: none may ask. */
  readonly cors: CorsPolicy | null;
  /** Clients are told names of services where that helps them. */
  readonly development: boolean;
  /** Hosts besides the request's own whose pages are ours. */
  readonly ownHosts: readonly string[];
  readonly limits: Limits;
  /** Largest body of a request that no route names; it streams through. */
  readonly plainBodyBytes: number;
}

/** What processes need; without it the gateway only proxies. */
export interface ProcessParts {
  readonly submit: SubmitDeps;
  readonly identify: IdentifyDeps;
  /** The reserved resources: process API, execution API, documents. */
  readonly routers: readonly Router[];
}

/** What cached routes need; without it nothing is cached. */
export interface CacheParts extends CacheDeps {
  readonly invalidation: CacheInvalidation;
}

export interface ProxyDeps {
  /** Keys the digests of principals; shared by all replicas. */
  readonly secret: KeyObject;
  /** null: clients are not authenticated. */
  readonly authenticator: Authenticator | null;
  /** Counts the requests of each caller; null: nobody does. */
  readonly rates: Rates | null;
  readonly cache?: CacheParts;
  /** Copies for secondaries and loop markers; without it nothing is mirrored. */
  readonly mirror?: MirrorDeps;
  /** Durable copies of plain requests. */
  readonly copies?: DurableCopyDeps;
  readonly process?: ProcessParts;
  /** The registry's current snapshot: a new array when anything changed. */
  readonly services: () => readonly Service[];
  readonly forwarder: Forwarder;
  /** Which writes wait, because their service may be moved; absent: none. */
  readonly migrations?: Pick<NodeMigrations, "holdOf" | "next">;
  /** For routes that allow upgrades; without it no upgrade is taken. */
  readonly tunnels?: Tunneller;
  readonly log: Logger;
  readonly settings: ProxySettings;
  /** null: clear text. */
  readonly tls?: ListenerTls | null;
  /** Fresh, unguessable, [A-Za-z0-9._-]. */
  readonly newRequestId: () => string;
  /** Told of what a caller's share did not allow. */
  readonly budgetRefused?: (budget: "bodies") => void;
  readonly onRequest?: (observed: RequestObserved) => void;
  /** A connection was closed at once: there are limits.maxConnections. */
  readonly onDropped?: () => void;
}
