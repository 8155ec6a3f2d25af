import { createDifferences, createMirrorOutbox } from "@sticky-proxy/store";
import { createKeys, connectRedis, mirrorScripts, unsealed } from "@sticky-proxy/store/testing";
import {
  type MirrorUnderTest,
  describeDifferencesContract,
  describeOutboxContract,
  describeWithRedis,
  sharedRedisUrl,
  uniquePrefix,
} from "@sticky-proxy/testkit";
import { expect } from "chai";

async function open(): Promise<MirrorUnderTest> {
  const connections = connectRedis({ url: await sharedRedisUrl() });
  expect(await connections.ready(5000)).to.equal(true);
  const deps = { ...connections, keys: createKeys(uniquePrefix()), partitions: 8, sealing: unsealed };
  return {
    outbox: createMirrorOutbox(deps),
    differences: createDifferences(deps),
    close: () => connections.close(),
  };
}

describeWithRedis("the mirror's store on Redis", () => {
  describeOutboxContract("Redis", open);
  describeDifferencesContract("Redis", open);

  it("its scripts keep to their headers", () => {
    for (const script of mirrorScripts) expect(script.text().sha).to.have.length(40);
  });
});
