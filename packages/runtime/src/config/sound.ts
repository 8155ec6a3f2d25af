/** The part of a configuration that the schema has accepted, as relations read it. */
import type { SoundConfig } from "./schema.ts";

export type SoundService = SoundConfig["services"][string];

/** The items of a list that were not refused, with their places. */
export function soundItems<T>(list: readonly (T | undefined)[] = []): (readonly [index: number, item: T])[] {
  return list.flatMap((item, i) => (item === undefined ? [] : [[i, item] as const]));
}

/** Reports a broken relation at `path`; `others` are the paths that it rests on besides. */
export type Report = (path: string, message: string, ...others: readonly string[]) => void;
