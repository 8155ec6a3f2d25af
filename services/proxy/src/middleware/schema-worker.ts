/** The thread that reads and validates bodies whose cost their sender decides. */
import { parentPort } from "node:worker_threads";
import { parseJsonStrict, pointerObstacle, type Pointer } from "@sticky-proxy/protocol/json";
import { Problem } from "@sticky-proxy/protocol";
import { compileBodySchema, type BodyCheck, type SchemaFault } from "./body-schema.ts";

export interface SchemaJob {
  readonly id: number;
  /** Names the schema; its text comes with the first job that names it. null: none, the body is only read. */
  readonly schemaId: number | null;
  readonly schema: Readonly<Record<string, unknown>> | null;
  readonly body: Uint8Array;
  readonly isSmall: boolean;
  /** Where the callback's address will stand; null: nowhere. */
  readonly address: Pointer | null;
}

export type SchemaAnswer =
  | { readonly id: number; readonly kind: "started" }
  | {
      readonly id: number;
      readonly kind: "checked";
      readonly faults: readonly SchemaFault[];
      readonly blocked: string | null;
    }
  | { readonly id: number; readonly kind: "malformed"; readonly detail: string };

const checks = new Map<number, BodyCheck>();

function checkOf({ schemaId, schema }: SchemaJob): BodyCheck | null {
  if (schemaId === null) return null;
  let check = checks.get(schemaId);
  if (check === undefined) checks.set(schemaId, (check = compileBodySchema(schema!)));
  return check;
}

function checked(job: SchemaJob, check: BodyCheck | null): SchemaAnswer {
  const { id, body, isSmall, address } = job;
  try {
    const value = parseJsonStrict(body);
    return {
      id,
      kind: "checked",
      faults: check === null ? [] : check(value, isSmall),
      blocked: address === null ? null : pointerObstacle(value, address),
    };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { id, kind: "malformed", detail: error.options.detail ?? "The body is not JSON." };
  }
}

parentPort?.on("message", (job: SchemaJob) => {
  const check = checkOf(job);
  const started: SchemaAnswer = { id: job.id, kind: "started" };
  parentPort!.postMessage(started); // from here on the body's time counts
  parentPort!.postMessage(checked(job, check));
});
