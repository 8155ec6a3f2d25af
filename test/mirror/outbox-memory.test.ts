import { createMemoryMirror } from "@sticky-proxy/core";
import { describeOutboxContract } from "@sticky-proxy/testkit";

describeOutboxContract("memory", async () => {
  const mirror = createMemoryMirror({ now: () => Date.now() });
  return { outbox: mirror, differences: mirror, close: async () => undefined };
});
