/** Whoever guesses a key or learns of an id does not get, change or forget what somebody else began. */
import { createClient } from "@sticky-proxy/client";
import { expect } from "chai";
import { suiteStores } from "../support/stores.ts";
import { startReplicas } from "./replicas.ts";

const owner = { Authorization: "Bearer owner" };
const stranger = { Authorization: "Bearer stranger" };

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`a process belongs to who began it, on ${kind}`, () => {
    const replicas = startReplicas(openSuiteStore, (origin) => ({
      count: 2,
      yaml: `
services:
  bank:
    instances: [${origin}]
    routes: [{ process: { identity: key, force: true } }]
  closed:
    access: owner
    instances: [${origin}]
    routes: [{ process: { identity: key } }]
  tokens:
    credential: [x-api-key, cookie.session]
    instances: [${origin}]
    routes: [{ process: { identity: key } }]
`,
    }));
    beforeEach(() => {
      replicas.upstream.respond((_request, response) =>
        response.writeHead(201, { "Set-Cookie": "session=s1" }).end("paid"),
      );
    });

    let keys = 0;
    const freshKey = (): string => `order-${kind}-${keys++}`;
    const pay = (key: string, headers: Record<string, string> = {}, service = "bank") =>
      fetch(`${replicas.cluster.url(0)}/${service}/pay`, {
        method: "POST",
        headers: { "Idempotency-Key": key, ...headers },
        body: "1",
      });
    const api = (method: string, path: string, headers: Record<string, string> = {}) =>
      fetch(`${replicas.cluster.url(1)}/_sticky/v1/processes/${path}`, { method, headers });
    const lookup = (key: string, headers: Record<string, string> = {}, service = "bank") =>
      fetch(`${replicas.cluster.url(1)}/_sticky/v1/processes:lookup`, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify({ service, idempotencyKey: key }),
      });
    const idOf = (answer: Response): string => answer.headers.get("sticky-process-id")!;

    it("a look-up by key finds it for its owner only; to everybody else there is none", async () => {
      const key = freshKey();
      const id = idOf(await pay(key, owner));
      expect(((await (await lookup(key, owner)).json()) as { id: string }).id).to.equal(id);
      for (const headers of [stranger, {}, { Cookie: "a=1" }])
        expect((await lookup(key, headers)).status).to.equal(404);
      expect((await lookup("no-such-key", owner)).status).to.equal(404);
    });

    it("of a process that was begun without any credential a look-up tells the state, never id, links or result", async () => {
      const key = freshKey();
      await pay(key);
      const found = await lookup(key);
      expect(await found.json()).to.deep.equal({
        service: "bank",
        status: "completed",
        phase: null,
        done: true,
      });
      expect(found.headers.get("sticky-process-id")).to.equal(null);
      expect((await lookup(key, stranger)).status).to.equal(404);
    });

    it("a stranger cancels, runs again and forgets nothing, and the owner's retry is a replay", async () => {
      const key = freshKey();
      const id = idOf(await pay(key, owner));
      for (const headers of [stranger, {}])
        for (const [method, path] of [
          ["POST", `${id}/cancel`],
          ["POST", `${id}/rerun`],
          ["DELETE", id],
        ] as const) {
          const refused = await api(method, path, headers);
          expect(refused.status, path).to.equal(403);
          expect(await refused.json()).to.include({ type: "/_sticky/problems/forbidden" });
        }
      expect((await api("DELETE", `${id}0`, stranger)).status, "an unknown id is not told apart").to.equal(
        404,
      );
      expect((await pay(key, owner)).headers.get("idempotent-replayed")).to.equal("true");
      expect(replicas.upstream.requests).to.have.length(1);
    });

    it("the owner's credential does all of it, and so does the token of the submission's own reply", async () => {
      const key = freshKey();
      const first = await pay(key, owner);
      const token = first.headers.get("sticky-owner")!;
      expect(token).to.match(/^[\w-]{43}$/);
      expect((await pay(key, owner)).headers.has("sticky-owner"), "a replay brings none").to.equal(false);
      const rotated = { Authorization: "Bearer rotated", "Sticky-Owner": token };
      const again = await api("POST", `${idOf(first)}/rerun`, rotated);
      expect(again.status).to.equal(202);
      expect((await lookup(key, { ...rotated, "Sticky-Owner": "x".repeat(43) })).status).to.equal(404);
      expect((await api("DELETE", idOf(first), owner)).status).to.equal(204);
    });

    it("a token is worth nothing for another process", async () => {
      const [one, other] = [await pay(freshKey(), owner), await pay(freshKey(), owner)];
      const token = { "Sticky-Owner": one.headers.get("sticky-owner")! };
      expect((await api("DELETE", idOf(other), token)).status).to.equal(403);
      expect((await api("DELETE", idOf(one), token)).status).to.equal(204);
    });

    it("what counts as the credential is what the service says", async () => {
      const key = freshKey();
      await pay(key, { "X-Api-Key": "k1", Cookie: "theme=dark; session=s" }, "tokens");
      const same = { "X-Api-Key": "k1", Cookie: "session=s", Authorization: "Bearer any" };
      expect((await lookup(key, same, "tokens")).status).to.equal(200);
      expect((await lookup(key, { "X-Api-Key": "k1" }, "tokens")).status).to.equal(404);
    });

    it("reading by id is for whoever has it, without the result's cookies; `access: owner` closes it", async () => {
      const open = await pay(freshKey(), owner);
      const read = await api("GET", `${idOf(open)}/result`, stranger);
      expect(await read.text()).to.equal("paid");
      expect(read.headers.get("set-cookie")).to.equal(null);
      expect((await api("GET", `${idOf(open)}/result`, owner)).headers.get("set-cookie")).to.equal(
        "session=s1",
      );

      const closed = await pay(freshKey(), owner, "closed");
      for (const path of [idOf(closed), `${idOf(closed)}/result`]) {
        expect((await api("GET", path, stranger)).status).to.equal(404);
        expect((await api("GET", path)).status).to.equal(404);
        expect((await api("GET", path, owner)).status).to.equal(200 + Number(path.endsWith("result")));
      }
    });

    it("the TypeScript client keeps control of its process although its access token rotates", async () => {
      let bearer = 0;
      const client = createClient({
        baseUrl: replicas.cluster.url(0),
        headers: () => ({ Authorization: `Bearer ${bearer++}` }),
      });
      const key = freshKey();
      const handle = await client.submit("/bank/pay", { idempotencyKey: key, body: "1" });
      await (await handle.result()).text();
      expect((await client.lookup({ service: "bank", idempotencyKey: key }))?.id).to.equal(handle.id);
      await client.forget(handle.id);
    });
  });
