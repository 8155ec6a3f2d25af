/** Two backends that make ids of their own: with a map copies meet the right rows, without one they meet none. */
import { describeWithRedis } from "@sticky-proxy/testkit";
import { createIdMap, openStore } from "@sticky-proxy/store";
import { expect } from "chai";
import { until } from "../support/until.ts";
import { startMirrored, type Mirrored } from "./mirrored.ts";
import { startRecording, type RecordingBackend } from "./recording-backend.ts";

/** A backend that counts its rows up from `next`. */
async function startRows(next: number): Promise<RecordingBackend & { rows: Map<string, string> }> {
  const backend = await startRecording();
  const rows = new Map<string, string>();
  backend.behave = (request, response) => {
    const id = request.method === "POST" ? String(next++) : request.path.split("/").at(-1)!;
    rows.set(id, request.body);
    response.writeHead(request.method === "POST" ? 201 : 200, {
      "Content-Type": "application/json",
      Location: `/users/${id}`,
    });
    response.end(`{"id":${id},"ok":true}`);
  };
  return Object.assign(backend, { rows });
}

describeWithRedis("ids that differ between the backends", function () {
  this.timeout(60_000);
  let first: Awaited<ReturnType<typeof startRows>>;
  let second: Awaited<ReturnType<typeof startRows>>;
  let mirrored: Mirrored;

  async function start(mirror: object): Promise<void> {
    [first, second] = [await startRows(1), await startRows(41)];
    mirrored = await startMirrored({
      primary: first.url,
      secondary: second.url,
      routes: [
        {
          match: { methods: ["POST", "PUT"], path: "/users" },
          mirror: { to: "users-v2", mode: "dual-write", ...mirror },
        },
      ],
    });
  }
  afterEach(async () => {
    await mirrored?.stop();
    await first?.close();
    await second?.close();
  });
  const send = (method: string, path: string, body: object): Promise<Response> =>
    fetch(mirrored.cluster.url() + path, { method, body: JSON.stringify(body) });

  it("a map learns the pairs from both answers; later copies carry the second backend's ids, in path and body", async () => {
    await start({ idMap: { from: "/id", into: ["path.id", "body:/parent_id"] } });
    await send("POST", "/users", { name: "ann" });
    await mirrored.drained(1);
    await send("PUT", "/users/1", { name: "anna" });
    await mirrored.drained(2);
    await send("POST", "/users", { parent_id: 1 });
    await mirrored.drained(3);
    expect([...second.rows]).to.deep.equal([
      ["41", '{"name":"anna"}'],
      ["42", '{"parent_id":41}'],
    ]);
    expect((await mirrored.coverage()).different).to.equal(0);
  });

  it("an id that the map does not know stops its key; a pair that is brought along lets it go on", async () => {
    await start({ idMap: { from: "/id", into: ["path.id"] } });
    await send("PUT", "/users/7", { name: "old" });
    const [parked] = await until(async () => {
      const keys = await mirrored.outbox.parkedKeys({ limit: 9 });
      return keys.some(({ reason }) => reason === "id-unmapped") && keys;
    });
    expect(second.rows.size).to.equal(0);
    const store = await openStore({
      target: { url: mirrored.cluster.redis.url },
      keyPrefix: "sp:",
      partitions: null,
      timelineLength: 10,
      waitMs: 5000,
      onError: () => undefined,
    });
    try {
      const { writes, reads } = store.redis;
      const { partitions } = store.meta;
      const ids = createIdMap({ writes, reads, keys: store.keys, partitions });
      await ids.learn("users", [{ collection: "/users", id: "7", secondary: "70" }]);
      await mirrored.outbox.unpark(parked!.partition, parked!.orderKey);
      await mirrored.drained(1);
      expect([...second.rows]).to.deep.equal([["70", '{"name":"old"}']]);
      const pairs = [];
      for await (const pair of ids.pairs("users")) pairs.push(pair);
      expect(pairs).to.deep.equal([{ collection: "/users", id: "7", secondary: "70" }]);
    } finally {
      await store.close();
    }
  });

  it("without a map the ids are a difference, whatever the masks excuse, and a write to one meets nobody's row", async () => {
    await start({ compare: { ignore: ["/id"], headers: ["content-type"] } });
    second.rows.set("1", "a stranger");
    await send("POST", "/users", { name: "ann" });
    await mirrored.drained(1);
    const [group] = await mirrored.differences.groups({ since: null });
    expect(group).to.include({ class: "id", path: "/id" });
    await send("PUT", "/users/1", { name: "anna" });
    await until(async () =>
      (await mirrored.outbox.parkedKeys({ limit: 9 })).some(({ reason }) => reason === "id-unmapped"),
    );
    expect(second.rows.get("1")).to.equal("a stranger");
  });
});
