import { readSigningKey, signWebhook } from "@sticky-proxy/protocol";
import { FakeUpstream, type RecordedRequest } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { suiteStores, type SuiteStore } from "../support/stores.ts";

const sharedToken = "a-token-that-both-sides-know";
const signingSecret = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;
const accept = "accept: { status: /is, completed: [ready], failed: [broken], result: /paper }";

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`job ids and signed messages, over two replicas on ${kind}`, () => {
    let suite: SuiteStore;
    let upstream: FakeUpstream;
    let cluster: Nodes;
    before(async () => {
      upstream = await FakeUpstream.start();
      suite = await openSuiteStore();
      cluster = await startNodes({
        count: 2,
        store: suite.store,
        yaml: `
trustedProxies: [127.0.0.1/32]
services:
  jobs:
    instances: [${upstream.origin}]
    callbackAuth: { sharedToken: ${sharedToken} }
    routes:
      - process:
          identity: request
          completion: callback
          callback: { correlate: { response: /ticket, callback: /ticket }, ${accept} }
  render:
    instances: [${upstream.origin}]
    callbackAuth: { mode: signature, secrets: ["${signingSecret}"] }
    routes:
      - match: { path: /tickets }
        process:
          identity: request
          completion: callback
          callback: { correlate: { response: /ticket, callback: /ticket }, ${accept} }
      - process: { identity: request, completion: callback }
`,
      });
    });
    after(async () => {
      await cluster.close();
      await upstream.close();
      await suite.close();
    });
    let tickets = 0;
    let ticket = "";
    beforeEach(() => {
      ticket = `${kind}-T-${(tickets += 1)}`;
      upstream.respond((_request, response) =>
        response.writeHead(202, { "Content-Type": "application/json" }).end(JSON.stringify({ ticket })),
      );
    });

    interface Begun {
      readonly id: string;
      readonly sent: RecordedRequest;
    }
    let bodies = 0;
    async function begin(who: string | null, path = "/jobs", address = "198.51.100.1"): Promise<Begun> {
      const before = upstream.requests.length;
      const answer = await fetch(cluster.url(0) + path, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "X-Forwarded-For": address,
          ...(who === null ? {} : { Authorization: `Bearer ${who}` }),
        },
        body: JSON.stringify({ n: (bodies += 1) }),
      });
      await upstream.arrived(before + 1);
      return { id: answer.headers.get("sticky-process-id")!, sent: upstream.last };
    }
    /** Long polls until the process is where `is` wants it. */
    async function until({ id }: Begun, is: (view: Record<string, unknown>) => boolean) {
      for (let tag = '"v0"'; ;) {
        const answer = await fetch(`${cluster.url(1)}/_sticky/v1/processes/${id}`, {
          headers: { Prefer: "wait=2", "If-None-Match": tag },
        });
        if (answer.status === 200) {
          const view = (await answer.json()) as Record<string, unknown>;
          if (is(view)) return view;
        }
        tag = answer.headers.get("etag") ?? tag;
      }
    }
    const untilWaiting = (begun: Begun) => until(begun, ({ phase }) => phase === "awaiting-callback");
    const untilEnded = async (begun: Begun) =>
      (await until(begun, ({ status }) => status !== "in-progress" && status !== "pending"))["status"];
    const statusOf = async ({ id }: Begun) =>
      ((await (await fetch(`${cluster.url(1)}/_sticky/v1/processes/${id}`)).json()) as { status: string })
        .status;
    const hook = (said: object, node = 1) =>
      fetch(`${cluster.url(node)}/_sticky/v1/callbacks/jobs`, {
        method: "POST",
        headers: { Authorization: `Bearer ${sharedToken}`, "Content-Type": "application/json" },
        body: JSON.stringify({ ticket, ...said }),
      });

    it("another owner's process with the id of a running job is refused, and the webhook ends the first alone", async () => {
      const first = await begin("ann");
      await untilWaiting(first);
      const second = await begin("bob");
      expect(await untilEnded(second)).to.equal("failed");
      const refused = await fetch(`${cluster.url(0)}/_sticky/v1/processes/${second.id}/result`);
      expect(await refused.json()).to.include({
        type: "/_sticky/problems/upstream-invalid-response",
        executed: "unknown",
      });
      expect((await hook({ is: "ready", paper: "for ann" })).status).to.equal(200);
      expect(await statusOf(first)).to.equal("completed");
      expect(await statusOf(second)).to.equal("failed");
    });

    it("callers without a credential are as many owners as they have addresses", async () => {
      const first = await begin(null, "/jobs", "198.51.100.7");
      await untilWaiting(first);
      const stranger = await begin(null, "/jobs", "198.51.100.8");
      expect(await untilEnded(stranger)).to.equal("failed");
      const own = await begin(null, "/jobs", "198.51.100.7");
      await untilWaiting(own);
      expect((await hook({ is: "ready", paper: "theirs" })).status).to.equal(200);
      expect([await statusOf(first), await statusOf(own)]).to.deep.equal(["completed", "completed"]);
    });

    it("one owner's two processes with one id are ended by one report", async () => {
      const [first, second] = [await begin("ann"), await begin("ann")];
      await untilWaiting(first);
      await untilWaiting(second);
      expect((await hook({ is: "ready", paper: "once" })).status).to.equal(200);
      for (const begun of [first, second]) {
        const result = await fetch(`${cluster.url(0)}/_sticky/v1/processes/${begun.id}/result`);
        expect(await result.json()).to.equal("once");
      }
      expect(await (await hook({ is: "ready", paper: "once" })).json()).to.include({ duplicate: true });
    });

    it("of many processes that get one id at once all of one owner hold it", async () => {
      const all = await Promise.all(Array.from({ length: 8 }, () => begin("ann")));
      for (const begun of all) await untilWaiting(begun);
      expect((await hook({ is: "ready", paper: 1 })).status).to.equal(200);
      for (const begun of all) expect(await statusOf(begun)).to.equal("completed");
    });

    it("a job that has ended frees its id for everybody", async () => {
      const first = await begin("ann");
      await untilWaiting(first);
      await hook({ is: "ready", paper: "old" });
      const second = await begin("bob");
      await untilWaiting(second);
      expect((await hook({ is: "ready", paper: "new" })).status).to.equal(200);
      const papers = await Promise.all(
        [first, second].map(async ({ id }) =>
          (await fetch(`${cluster.url(0)}/_sticky/v1/processes/${id}/result`)).json(),
        ),
      );
      expect(papers).to.deep.equal(["old", "new"]);
    });

    describe("a signed message", () => {
      const key = readSigningKey(signingSecret)!;
      let messages = 0;
      const newMessage = (): string => `msg-${kind}-${(messages += 1)}`;
      function say(path: string, text: string, message: string, token: string | null) {
        return fetch(`${cluster.url(1)}/_sticky/v1/${path}`, {
          method: "POST",
          headers: {
            "Content-Type": "application/json",
            ...(token === null ? {} : { "Sticky-Execution": token }),
            ...(signWebhook(message, Buffer.from(text), [key], Date.now()) as unknown as Record<
              string,
              string
            >),
          },
          body: text,
        });
      }
      const report = ({ id, sent }: Begun, action: string, text: string, message: string, withToken = true) =>
        say(
          `executions/${id}/${action}`,
          text,
          message,
          withToken ? sent.headers.get("sticky-execution")! : null,
        );
      const beat = '{"progress":{"percent":7}}';

      it("proves nothing without the token of its process", async () => {
        const begun = await begin(null, "/render/film");
        await untilWaiting(begun);
        for (const action of ["heartbeat", "complete", "fail"])
          expect((await report(begun, action, "{}", newMessage(), false)).status, action).to.equal(401);
        expect(await statusOf(begun)).to.equal("in-progress");
      });

      it("is good for one process and one action", async () => {
        const [one, two] = [await begin(null, "/render/film"), await begin(null, "/render/film")];
        await untilWaiting(one);
        await untilWaiting(two);
        const message = newMessage();
        expect((await report(one, "heartbeat", beat, message)).status).to.equal(200);
        expect((await report(one, "fail", beat, message)).status).to.equal(401);
        expect((await report(one, "complete", beat, message)).status).to.equal(401);
        expect((await report(two, "heartbeat", beat, message)).status).to.equal(401);
        expect([await statusOf(one), await statusOf(two)]).to.deep.equal(["in-progress", "in-progress"]);
      });

      it("is good once: a heartbeat that comes again is no sign of life, a result that comes again is the same", async () => {
        const begun = await begin(null, "/render/film");
        await untilWaiting(begun);
        const [pulse, end] = [newMessage(), newMessage()];
        await report(begun, "heartbeat", beat, pulse);
        const { version } = await until(begun, () => true);
        const again = await report(begun, "heartbeat", beat, pulse);
        expect(await again.json()).to.include({ duplicate: true });
        expect((await until(begun, () => true))["version"]).to.equal(version);
        expect((await report(begun, "complete", '{"ok":1}', end)).status).to.equal(200);
        expect(await (await report(begun, "complete", '{"ok":1}', end)).json()).to.include({
          duplicate: true,
        });
      });

      it("at the fixed address is bound by the job's id, and never ends the id's next process", async () => {
        const first = await begin("ann", "/render/tickets");
        await untilWaiting(first);
        const text = JSON.stringify({ ticket, is: "ready", paper: "old" });
        const message = newMessage();
        expect((await say("callbacks/render", text, message, null)).status).to.equal(200);
        expect(await statusOf(first)).to.equal("completed");
        const second = await begin("bob", "/render/tickets");
        await untilWaiting(second);
        expect((await say("callbacks/render", text, message, null)).status).to.equal(401);
        expect(await statusOf(second)).to.equal("in-progress");
      });
    });
  });
