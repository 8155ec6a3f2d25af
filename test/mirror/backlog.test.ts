/** A second backend that is away takes no room from anybody else's requests. */
import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startCluster, type Cluster } from "../support/cluster.ts";
import { startRecording, type RecordingBackend } from "./recording-backend.ts";

describeWithRedis("a backlog of copies on a Redis with little memory", function () {
  this.timeout(120_000);
  let primary: RecordingBackend;
  let cluster: Cluster;

  before(async () => {
    primary = await startRecording();
    primary.behave = (_, response) => response.writeHead(200).end("done");
    // One order key: what cannot be sent holds up everything behind it.
    const mirror = { to: "away", mode: "dual-write", orderKey: { path: "/" } };
    cluster = await startCluster({
      proxies: 1,
      redisArgs: ["--maxmemory", "44mb"],
      config: {
        services: {
          files: {
            instances: [primary.url],
            routes: [
              { match: { methods: ["PUT"] }, mirror },
              { match: { methods: ["POST"], path: "/bills" }, process: { identity: "key" } },
              { match: { methods: ["POST"] }, process: { identity: "key" }, mirror },
            ],
          },
          away: { instances: ["http://127.0.0.1:1"], match: "none" },
        },
      },
    });
  });
  after(async () => {
    await cluster?.stop();
    await primary?.close();
  });

  for (const { method, what } of [
    { method: "PUT", what: "plain" },
    { method: "POST", what: "keyed" },
  ]) {
    it(`stops before it, and ${what} writes go on: each is answered by the first backend, what is not copied is a gap`, async () => {
      for (let i = 0; i < 280; i += 1) {
        const answer = await fetch(`${cluster.url()}/files/${what}/${i}`, {
          method,
          headers: { "Idempotency-Key": `${what}-${i}` },
          body: Buffer.alloc(150_000, 97 + (i % 26)),
        });
        expect(answer.status, `${method} ${i}`).to.equal(200);
        await answer.arrayBuffer();
      }
      const bill = await fetch(`${cluster.url()}/files/bills/${what}`, {
        method: "POST",
        headers: { "Idempotency-Key": `bill-${what}` },
        body: "{}",
      });
      expect(bill.status, "a keyed request of another route").to.equal(200);
    });
  }
});
