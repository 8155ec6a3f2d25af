/** What is to be run, and what came of it. */
import type { Readable } from "node:stream";
import type { HeaderList, StoredResponse } from "@sticky-proxy/core/http";
import type { ProcessRecord, Rules, StoredRequest } from "@sticky-proxy/core/process";
import type { Route, Service } from "@sticky-proxy/core/registry";
import type { ForwardRequest } from "@sticky-proxy/upstream";

export interface Execution {
  readonly record: ProcessRecord;
  readonly service: Service;
  readonly route: Route;
  readonly rules: Rules;
  readonly request: StoredRequest;
  /** Fields the gateway adds beside the process's own (traceparent, mirror marker). */
  readonly extra: HeaderList;
  readonly client: ForwardRequest["client"];
  /** Instances that have just refused it. */
  readonly avoid?: ForwardRequest["avoid"];
  readonly onInformational?: ForwardRequest["onInformational"];
  readonly seen?: ForwardRequest["seen"];
}

export interface Run {
  /** As committed, by us or by whoever was faster. */
  readonly record: ProcessRecord;
  /** The committed result, when it was this run that committed one. */
  readonly result: StoredResponse | null;
  /** A result too large to be kept, on its way: for one client, once. */
  readonly live: { readonly status: number; readonly headers: HeaderList; readonly body: Readable } | null;
}
