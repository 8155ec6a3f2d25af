/** Encoding of an entry in Redis: its index of variants, a variant's metadata, and its dropped bodies. */
import type { StoredMetadata } from "@sticky-proxy/core/cache";
import { type Reply, replyText } from "../redis/scripts.ts";

/** One line of an entry's index, newest first: i variant, n names, b body, z bytes, w what it takes, u until and t receipt (epoch ms). */
export interface IndexLine {
  readonly i: string;
  readonly n: string;
  readonly b: string;
  readonly z: number;
  readonly u: number;
  readonly t: number;
}

export function readIndex(reply: Reply | undefined): readonly IndexLine[] {
  const text = replyText(reply);
  const parsed: unknown = text === null || text === "" ? [] : JSON.parse(text);
  return Array.isArray(parsed) ? (parsed as IndexLine[]) : []; // Lua writes an empty list as {}
}

export function namesOf(line: IndexLine): readonly string[] {
  return line.n === "" ? [] : line.n.split(",");
}

export function packMetadata(metadata: StoredMetadata): string {
  return JSON.stringify(metadata);
}

export function unpackMetadata(packed: string): StoredMetadata {
  return JSON.parse(packed) as StoredMetadata;
}

/** A dropped body in the scripts' notation. */
export function readDropped(replies: readonly Reply[]): { bodyId: string; bytes: number }[] {
  return replies.map((reply) => {
    const [bodyId = "", bytes = "0"] = (replyText(reply) ?? "").split(" ");
    return { bodyId, bytes: Number(bytes) };
  });
}
