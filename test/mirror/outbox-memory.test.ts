import { createMemoryMirror } from "@sticky-proxy/core/testing";
import {
  type MirrorUnderTest,
  describeDifferencesContract,
  describeOutboxContract,
} from "@sticky-proxy/testkit";

async function open(): Promise<MirrorUnderTest> {
  const mirror = createMemoryMirror({ now: () => Date.now() });
  return { outbox: mirror, differences: mirror, close: async () => undefined };
}

describeOutboxContract("memory", open);
describeDifferencesContract("memory", open);
