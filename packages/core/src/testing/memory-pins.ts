import type { PinStore } from "../process/store.ts";

/** Descriptions of rules in memory, kept for ever; `texts` is what stands there. */
export function createMemoryPins(): PinStore & {
  readonly texts: Map<string, { service: string; text: string }>;
} {
  const texts = new Map<string, { service: string; text: string }>();
  return {
    texts,
    keep(pins) {
      for (const { digest, service, text } of pins) texts.set(digest, { service, text });
      return Promise.resolve();
    },
    read: (digest) => Promise.resolve(texts.get(digest)?.text ?? null),
    ofService: (wanted) =>
      Promise.resolve(
        [...texts.values()].filter(({ service }) => service === wanted).map(({ text }) => text),
      ),
  };
}
