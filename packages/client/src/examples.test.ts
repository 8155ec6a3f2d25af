import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { Webhook } from "standardwebhooks";
import { expressApp } from "../examples/express.ts";
import { fastifyApp } from "../examples/fastify.ts";
import { koaApp } from "../examples/koa.ts";
import { createClient } from "./client.ts";
import { FakeGateway } from "./fake-gateway.ts";

const secret = `whsec_${randomBytes(32).toString("base64")}`;
type Sink = (value: unknown) => void;

const frameworks: Record<string, (onEvent: Sink, onError: Sink) => Promise<RequestListener>> = {
  Express: async (onEvent, onError) => expressApp(secret, onEvent, onError) as RequestListener,
  Koa: async (onEvent, onError) => {
    const listener = koaApp(secret, onEvent, onError)
      .on("error", () => undefined)
      .callback();
    return (request, response) => void listener(request, response);
  },
  Fastify: async (onEvent, onError) => {
    const app = fastifyApp(secret, onEvent, onError);
    await app.ready();
    return (request, response) => app.routing(request, response);
  },
};

for (const [name, makeListener] of Object.entries(frameworks)) {
  describe(`the ${name} example`, () => {
    let gateway: FakeGateway;
    let server: Server;
    let url: string;
    let events: unknown[];
    let errors: unknown[];

    beforeEach(async () => {
      events = [];
      errors = [];
      gateway = await new FakeGateway().start();
      server = createServer(
        await makeListener(
          (event) => events.push(event),
          (error) => errors.push(error),
        ),
      );
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterEach(async () => {
      server.closeAllConnections();
      server.close();
      await gateway.stop();
      expect(errors).to.deep.equal([]);
    });

    const dispatch = (id: string, month: number): Promise<Response> =>
      fetch(`${url}/reports`, {
        method: "POST",
        headers: { ...gateway.dispatchFields(id), "Content-Type": "application/json" },
        body: JSON.stringify({ month }),
      });

    it("accepts an execution, shows progress and reports the result", async () => {
      const { id } = gateway.create("order-1").view;
      const client = createClient({ baseUrl: gateway.url });
      const seen: unknown[] = [];
      const waiting = client.wait(id, { onUpdate: (view) => seen.push(view.progress?.percent) });
      await gateway.request(2);
      const answer = await dispatch(id, 11);
      expect(answer.status).to.equal(202);
      expect(answer.headers.get("sticky-execution")).to.equal(gateway.dispatchFields(id)["Sticky-Execution"]);
      expect(await waiting).to.include({ status: "completed" });
      expect(seen).to.include(50);
      expect(JSON.parse(gateway.processes.get(id)!.result!.body)).to.deep.include({ status: 201 });
    });

    it("reports a failure, and ignores the end of a cancelled process", async () => {
      const { id } = gateway.create("order-2").view;
      await dispatch(id, 13);
      expect(await createClient({ baseUrl: gateway.url }).wait(id)).to.include({ status: "failed" });

      const before = gateway.seen.length;
      const cancelled = gateway.create("order-3").view.id;
      gateway.end(cancelled, "cancelled", null);
      await dispatch(cancelled, 11);
      await gateway.request(before + 2);
    });

    it("refuses a request that did not come through the gateway", async () => {
      const response = await fetch(`${url}/reports`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: "{}",
      });
      expect(response.status).to.equal(400);
    });

    it("accepts a signed webhook and refuses a forged one", async () => {
      const body = '{"type":"process.completed","data":{"id":"1.x.2"}}';
      const now = new Date();
      const headers = {
        "content-type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
        "webhook-signature": new Webhook(secret).sign("msg_1", now, body),
      };
      const good = await fetch(`${url}/webhooks`, { method: "POST", headers, body });
      expect(good.status).to.equal(204);
      const forged = await fetch(`${url}/webhooks`, { method: "POST", headers, body: `${body} ` });
      expect(forged.status).to.equal(401);
      expect(events).to.deep.equal([JSON.parse(body)]);
    });
  });
}
