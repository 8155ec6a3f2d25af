import { processId, type ProcessRecord } from "@sticky-proxy/core/process";
import { age } from "./table.ts";

export const processHead = ["ID", "SERVICE", "STATUS", "ATTEMPT", "AGE", "OPERATION"] as const;

export function processRows(records: readonly ProcessRecord[], now: number): string[][] {
  return records.map((record) => [
    processId(record),
    record.service,
    record.phase ?? record.status,
    `${record.attempt}/${record.maxAttempts}`,
    age(now - record.createdAt),
    record.operation,
  ]);
}
