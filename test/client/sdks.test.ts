/** Unmodified SDKs of others see the gateway's refusals as refusals. */
import { CheckoutAPI, Client, Config, EnvironmentEnum } from "@adyen/api-library";
import {
  apiKeyDigest,
  apiKeyText,
  grantScopes,
  type ApiKey,
  type GrantScope,
} from "@sticky-proxy/core/principal";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import OpenAI from "openai";
import Stripe from "stripe";
import { startTlsFront } from "./tls-front.ts";
import { startNodes, type Nodes } from "../support/nodes.ts";

const keys = new Map<string, ApiKey>();
const keyWith = (scopes: readonly GrantScope[]): string => {
  const text = apiKeyText(new Uint8Array(32).fill(keys.size + 1));
  keys.set(apiKeyDigest(text), {
    id: `k${keys.size}`,
    principal: "shop",
    scopes,
    createdAt: 0,
    expiresAt: null,
  });
  return text;
};
const good = keyWith(grantScopes);
const reader = keyWith(["read"]);
const unknown = apiKeyText(new Uint8Array(32).fill(99));

describe("SDKs of others behind the gateway", () => {
  let upstream: FakeUpstream;
  let gateway: Nodes;

  before(async () => {
    upstream = await FakeUpstream.start();
    gateway = await startNodes({
      apiKeys: keys,
      yaml: `
authentication: { methods: [{ apiKey: {} }] }
services:
  adyen:
    instances: [${upstream.origin}]
    match: { path: /checkout }
    errorEnvelope: { errorCode: "{code}", message: "{message}", errorType: "{type}" }
    routes: [{ match: { methods: [POST] }, process: { identity: key } }]
  all:
    instances: [${upstream.origin}]
    match: { path: / }
    routes:
      - match: { methods: [POST] }
        process: { identity: key, key: optional }
  gone:
    instances: ["http://127.0.0.1:9"]
    match: { path: /gone }
`,
    });
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => {
    upstream.respond((_request, response) =>
      response
        .writeHead(200, { "Content-Type": "application/json" })
        .end('{"id":"pi_1","object":"payment_intent"}'),
    );
  });

  const failure = async (call: Promise<unknown>): Promise<Record<string, unknown>> => {
    try {
      await call;
    } catch (error) {
      return error as Record<string, unknown>;
    }
    throw new Error("the SDK took a refusal for a success");
  };

  describe("Stripe", () => {
    const stripe = (key: string, path = "") =>
      new Stripe(key, {
        host: "127.0.0.1",
        port: Number(new URL(gateway.url()).port),
        protocol: "http",
        maxNetworkRetries: 0,
        telemetry: false,
        ...(path === "" ? {} : { basePath: path }),
      });
    const pay = (key: string, amount: number, idempotencyKey: string) =>
      stripe(key).paymentIntents.create({ amount, currency: "eur" }, { idempotencyKey });

    it("pays once, with its key as the gateway's credential", async () => {
      expect((await pay(good, 100, "s-1")).id).to.equal("pi_1");
      expect((await pay(good, 100, "s-1")).id).to.equal("pi_1");
    });
    it("401, 403 and 422 are its errors of authentication, permission and idempotency", async () => {
      expect(await failure(pay(unknown, 1, "s-2"))).to.include({
        type: "StripeAuthenticationError",
        statusCode: 401,
      });
      expect(await failure(pay(reader, 1, "s-3"))).to.include({
        type: "StripePermissionError",
        statusCode: 403,
      });
      await pay(good, 1, "s-4");
      expect(await failure(pay(good, 2, "s-4"))).to.include({
        rawType: "idempotency_error",
        statusCode: 422,
        code: "idempotency-key-reused",
      });
    });
    it("502 of the gateway is an error of the API", async () => {
      const call = stripe(good).rawRequest("POST", "/gone/charges", {});
      expect(await failure(call)).to.include({ statusCode: 502, code: "upstream-unreachable" });
    });
  });

  describe("OpenAI", () => {
    const models = (key: string, path = "/v1") =>
      new OpenAI({ apiKey: key, baseURL: `${gateway.url()}${path}`, maxRetries: 0 }).models.list();

    it("401 and 502 are its errors, with the gateway's code", async () => {
      expect(await failure(models(unknown))).to.include({ status: 401, code: "unauthorized" });
      expect(await failure(models(good, "/gone"))).to.include({ status: 502, code: "upstream-unreachable" });
      expect(await failure(models(unknown))).to.be.instanceOf(OpenAI.AuthenticationError);
    });
  });

  describe("Adyen", () => {
    let front: Awaited<ReturnType<typeof startTlsFront>>;
    before(async () => {
      front = await startTlsFront(gateway.url());
    });
    after(() => front.close());
    const pay = (key: string, value: number, idempotencyKey: string) => {
      const config = new Config({
        apiKey: key,
        environment: EnvironmentEnum.TEST,
        certificatePath: "unencrypted", // its word for a certificate that nobody has signed
      });
      const { PaymentsApi } = new CheckoutAPI(new Client(config));
      Object.assign(PaymentsApi, { baseUrl: `${front.url}/checkout/v71` });
      const amount = { currency: "EUR", value };
      return PaymentsApi.payments(
        {
          amount,
          merchantAccount: "shop",
          reference: "r",
          returnUrl: "https://shop.test",
          paymentMethod: { type: "scheme" },
        } as never,
        { idempotencyKey },
      );
    };

    it("pays, and 401 and 422 are errors with its own members", async () => {
      await pay(good, 1, "a-1");
      expect(await failure(pay(unknown, 1, "a-2"))).to.include({ statusCode: 401 });
      const reused = await failure(pay(good, 2, "a-1"));
      expect(reused).to.include({ statusCode: 422, errorCode: "idempotency-key-reused" });
    });
  });
});
