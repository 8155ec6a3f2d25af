/**
 * Equal queries share one answer for a second: twenty open tabs cost the store one read. A caller sees at most its own
 * role's answer, since the role is part of the key.
 */
import type { Answer } from "./route.ts";

const sharedMs = 1000;
const maxEntries = 500;

export interface SharedAnswers {
  get(key: string, read: () => Promise<Answer>): Promise<Answer>;
  /** After a change everybody reads anew. */
  clear(): void;
}

export function createSharedAnswers(monotonic: () => number): SharedAnswers {
  const entries = new Map<string, { readonly until: number; readonly answer: Promise<Answer> }>();
  return {
    get(key, read) {
      const found = entries.get(key);
      if (found !== undefined && found.until > monotonic()) return found.answer;
      const answer = read();
      entries.delete(key);
      entries.set(key, { until: monotonic() + sharedMs, answer });
      if (entries.size > maxEntries) entries.delete(entries.keys().next().value!);
      answer.catch(() => entries.delete(key)); // the next one asks again
      return answer;
    },
    clear: () => entries.clear(),
  };
}
