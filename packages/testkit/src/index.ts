export { cacheStoreContract } from "./cache-store-contract.ts";
export { describeDifferencesContract } from "./differences-contract.ts";
export { FakeUpstream, RawUpstream, type FakeHandler, type RecordedRequest } from "./fake-upstream.ts";
export { ManualClock } from "./manual-clock.ts";
export {
  describeOutboxContract,
  testDifference,
  testIntent,
  type MirrorUnderTest,
} from "./outbox-contract.ts";
export { processStoreContract } from "./process-store-contract.ts";
export { RawClient, type RawResponse } from "./raw-client.ts";
export {
  describeWithRedis,
  localRedisServer,
  sharedRedisUrl,
  startRedis,
  uniquePrefix,
  type TestRedis,
} from "./redis.ts";
