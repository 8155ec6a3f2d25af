/** The cache's scripts by name, and how their replies are read. */
import type { StoredMetadata } from "@sticky-proxy/core/cache";
import { defineScript, type Reply, replyText } from "../redis/scripts.ts";

const file = (name: string): URL => new URL(`./${name}.lua`, import.meta.url);

export const cacheScripts = {
  lookup: defineScript({
    name: "cache-lookup",
    file: file("lookup"),
    keys: ["entry", "generations", "marker"],
    args: ["key", "call", "variant"],
  }),
  begin: defineScript({
    name: "cache-begin",
    file: file("begin"),
    keys: ["lease", "generations", "entry"],
    args: ["key", "token", "leaseMs", "keepMs"],
  }),
  renew: defineScript({
    name: "cache-renew",
    file: file("renew"),
    keys: ["lease"],
    args: ["key", "token", "leaseMs"],
  }),
  finish: defineScript({
    name: "cache-finish",
    file: file("finish"),
    keys: ["lease", "notices"],
    args: ["key", "token", "message"],
  }),
  commit: defineScript({
    name: "cache-commit",
    file: file("commit"),
    keys: ["entry", "generations", "lease", "marker", "uses", "sizes", "hits", "notices"],
    moreKeys: "chunks",
    args: [
      "key",
      "call",
      "token",
      "generation",
      "variant",
      "metadata",
      "selectors",
      "names",
      "bodyId",
      "bytes",
      "retainMs",
      "maxVariants",
      "replacedVariant",
      "replacedBody",
      "url",
      "chunkBytes",
      "message",
      "responseAt",
      "outdatedVariant",
    ],
  }),
  drop: defineScript({
    name: "cache-drop",
    file: file("drop"),
    keys: ["entry", "generations", "uses", "sizes", "hits"],
    args: ["key", "call", "mode", "rememberMs", "keepMs"],
  }),
  purge: defineScript({
    name: "cache-purge",
    file: file("purge"),
    keys: ["generations"],
    args: ["call", "field", "maxSelectors", "keepMs"],
  }),
  forget: defineScript({
    name: "cache-forget",
    file: file("forget"),
    keys: ["entry", "uses", "sizes", "hits"],
    args: ["key", "call"],
  }),
} as const;

/** One line of an entry's index, newest first: i variant, n names, b body, z bytes, u until and t receipt (epoch ms). */
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

/** A dropped body as the scripts name it. */
export function readDropped(replies: readonly Reply[]): { bodyId: string; bytes: number }[] {
  return replies.map((reply) => {
    const [bodyId = "", bytes = "0"] = (replyText(reply) ?? "").split(" ");
    return { bodyId, bytes: Number(bytes) };
  });
}
