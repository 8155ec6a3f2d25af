/** The id map: what the two backends call the same thing. */
import type { IdPair } from "@sticky-proxy/core/mirror";
import type { MirrorPorts } from "./ports.ts";

type Ports = Pick<MirrorPorts, "ids">;

/** All pairs of a primary service, in no order. @throws StoreUnavailable */
export function exportIds({ ids }: Ports, service: string): AsyncIterable<IdPair> {
  return ids.pairs(service);
}

const batchSize = 500;

/**
 * Pairs of a backfill, say; they take the place of earlier ones of the same things.
 * @returns how many were kept
 * @throws StoreUnavailable
 */
export async function importIds({ ids }: Ports, service: string, pairs: readonly IdPair[]): Promise<number> {
  for (let i = 0; i < pairs.length; i += batchSize) await ids.learn(service, pairs.slice(i, i + batchSize));
  return pairs.length;
}

/** A pair as `export` writes it; null: that is none. */
export function readIdPair(line: string): IdPair | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { collection, id, secondary } = value as Record<string, unknown>;
  if (typeof collection !== "string" || !/^\/[\x21-\x7e]*$/.test(collection)) return null;
  if (!isId(id) || !isId(secondary)) return null;
  return { collection: collection.replace(/(?<=.)\/$/, ""), id, secondary };
}

function isId(value: unknown): value is string {
  return typeof value === "string" && /^[^\s/]{1,200}$/.test(value);
}
