/** The admin API over a running gateway: login, roles, processes, acts, audit. */
import { request } from "node:http";
import { expect } from "chai";
import { logIn, startAdminGateway, type AdminClient, type AdminGateway } from "./gateway.ts";

const roles = ["viewer", "operator", "admin"] as const;
type Role = (typeof roles)[number];

interface Operation {
  readonly "x-role"?: Role;
}

describe("admin API", function () {
  this.timeout(60_000);
  let gateway: AdminGateway;
  let admin: AdminClient;
  const tokens = new Map<Role, string>();
  const as = new Map<Role, AdminClient>();

  async function pay(key: string, path = "/pay/charges"): Promise<Response> {
    return fetch(`${gateway.url}${path}`, {
      method: "POST",
      headers: {
        "idempotency-key": key,
        "content-type": "application/json",
        authorization: "Bearer of-key-owner",
      },
      body: JSON.stringify({ amount: 1, key }),
    });
  }
  async function json<T = Record<string, unknown>>(answer: Response): Promise<T> {
    return (await answer.json()) as T;
  }
  async function lookUp(key: string): Promise<{ id: string; version: number; status: string }> {
    const answer = await admin.send("POST", "/processes:lookup", { service: "pay", idempotencyKey: key });
    return (await json<{ process: { id: string; version: number; status: string } }>(answer)).process;
  }

  before(async () => {
    gateway = await startAdminGateway({
      config: {
        authentication: { methods: [{ trustedHeader: { field: "X-SSO-User", peers: ["127.0.0.1/32"] } }] },
      },
      services: (origin) => ({
        wallet: {
          instances: [origin],
          authentication: "required",
          routes: [{ name: "spend", process: { identity: "key" } }],
        },
        shop: {
          instances: [origin],
          authentication: "off",
          preserveHost: true,
          routes: [{ name: "buy", process: { identity: "key" } }],
        },
        pay: {
          instances: [origin],
          authentication: "off",
          routes: [
            {
              name: "dead",
              match: { path: "/dead" },
              process: { identity: "key", onUnknown: "fail" },
              retries: { attempts: 2, minMs: 1 },
            },
            { name: "charges", match: { path: "/" }, process: { identity: "key", keepRequest: true } },
          ],
        },
      }),
      service(request, response) {
        if (request.url?.startsWith("/dead") === true) return void request.socket.destroy();
        response.setHeader("content-type", "application/json").end('{"paid":true}');
      },
    });
    admin = await logIn(gateway.adminUrl, gateway.firstToken);
    for (const role of roles) {
      const made = await admin.send("POST", "/tokens", {
        name: `test ${role}`,
        role,
        reason: "for the test",
      });
      const { secret } = await json<{ secret: string }>(made);
      tokens.set(role, secret);
      as.set(role, await logIn(gateway.adminUrl, secret));
    }
  });
  after(() => gateway?.stop());

  it("the link of the first start logs in once", async () => {
    const again = await logIn(gateway.adminUrl, gateway.firstToken).catch((error: Error) => error.message);
    expect(again).to.match(/^login: 401/);
  });

  it("without a login every path of the API answers 401, and no problem tells a version", async () => {
    const document = await json<{ paths: Record<string, object> }>(await admin.get("/openapi.json"));
    for (const path of Object.keys(document.paths).filter((one) => one !== "/session")) {
      const answer = await fetch(`${gateway.adminUrl}/api/v1${path.replaceAll(/\{\w+\}/g, "x")}`);
      expect(answer.status, path).to.be.oneOf([401, 404, 405]);
      expect(await answer.text()).not.to.match(/0\.1\.0/);
    }
    expect((await fetch(`${gateway.adminUrl}/api/v1/session`)).status).to.equal(401);
  });

  it("every operation of the OpenAPI document is refused to each role that is below its own", async () => {
    const document = await json<{ paths: Record<string, Record<string, Operation>> }>(
      await admin.get("/openapi.json"),
    );
    let refused = 0;
    for (const [path, methods] of Object.entries(document.paths))
      for (const [method, operation] of Object.entries(methods)) {
        const needs = operation["x-role"];
        if (needs === undefined) continue;
        for (const role of roles.slice(0, roles.indexOf(needs))) {
          const target = path.replaceAll(/\{\w+\}/g, "x");
          const client = as.get(role)!;
          const answer =
            method === "get" ? await client.get(target) : await client.send(method.toUpperCase(), target, {});
          expect(answer.status, `${role} ${method} ${path}`).to.equal(403);
          refused += 1;
        }
      }
    expect(refused).to.be.greaterThan(15);
  });

  it("a cookie's request from another site, without JSON or without a word on its site changes nothing", async () => {
    await pay("csrf");
    const { id } = await lookUp("csrf");
    const forged: Record<string, string>[] = [
      { "content-type": "application/json", "sec-fetch-site": "cross-site" },
      { "content-type": "application/json", "sec-fetch-site": "same-site" },
      { "content-type": "text/plain", "sec-fetch-site": "same-origin" },
      { "content-type": "application/json" },
      { "content-type": "application/json", origin: "https://evil.example" },
    ];
    for (const headers of forged) {
      const answer = await fetch(`${gateway.adminUrl}/api/v1/processes/${id}:forget`, {
        method: "POST",
        headers: { cookie: admin.cookie, ...headers },
        body: JSON.stringify({ reason: "forged" }),
      });
      expect(answer.status, JSON.stringify(headers)).to.equal(403);
    }
    expect((await admin.get(`/processes/${id}`)).status).to.equal(200);
  });

  it("a bearer token needs no cookie rule, and lists processes newest first over all statuses", async () => {
    for (const key of ["list-1", "list-2", "list-3"]) await pay(key);
    await pay("list-dead", "/pay/dead/x");
    const authorization = `Bearer ${tokens.get("viewer")!}`;
    const page = async (query: string) => {
      const answer = await fetch(`${gateway.adminUrl}/api/v1/processes?${query}`, {
        headers: { authorization },
      });
      expect(answer.status).to.equal(200);
      return json<{
        items: { id: string; createTime: string; status: string }[];
        nextPageToken: string | null;
      }>(answer);
    };
    const first = await page("pageSize=3");
    const second = await page(`pageSize=3&pageToken=${first.nextPageToken}`);
    const items = [...first.items, ...second.items];
    expect(items[0]!.status).to.equal("failed");
    const times = items.map(({ createTime }) => createTime);
    expect(times).to.deep.equal(times.toSorted().toReversed());
    expect(new Set(items.map(({ id }) => id)).size).to.equal(items.length);
    const failed = await page("status=failed&executed=unknown");
    expect(failed.items).to.have.length(1);
  });

  it("a page token serves the query that it was made for, and is not to be made up", async () => {
    for (const key of ["token-1", "token-2", "token-3"]) await pay(key);
    const { nextPageToken } = await json<{ nextPageToken: string }>(await admin.get("/processes?pageSize=2"));
    for (const query of [
      `pageSize=2&status=failed&pageToken=${nextPageToken}`,
      `pageToken=${nextPageToken.slice(0, -1)}${nextPageToken.endsWith("A") ? "B" : "A"}`,
      "pageToken=1",
      "pageSize=0",
      "pageSize=201",
      "status=done",
      "created=soon",
      "took=-",
      "colour=red",
      "service=a&service=b",
    ])
      expect((await admin.get(`/processes?${query}`)).status, query).to.equal(400);
    expect((await admin.get(`/processes?pageSize=5&pageToken=${nextPageToken}`)).status).to.equal(200);
  });

  it("a key finds its process, and stands in no log and no audit", async () => {
    await pay("secret-key-4711");
    expect((await lookUp("secret-key-4711")).status).to.equal("completed");
    const unknown = await admin.send("POST", "/processes:lookup", {
      service: "pay",
      idempotencyKey: "never",
    });
    expect(unknown.status).to.equal(404);
    expect(gateway.log()).not.to.include("secret-key-4711");
    expect(await (await admin.get("/audit")).text()).not.to.include("secret-key-4711");
  });

  it("a key of a proved principal is found by both, a key at a host without being told the host where it is known", async () => {
    const sent = (path: string, headers: Record<string, string>): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const call = request(gateway.url + path, { method: "POST", headers }, (answer) => {
          answer.resume().once("end", () => resolve(answer.statusCode));
        });
        call.once("error", reject).end("{}");
      });
    const found = async (body: Record<string, string>): Promise<number> =>
      (await admin.send("POST", "/processes:lookup", body)).status;
    const key = { "Idempotency-Key": "whose-4711" };
    expect(await sent("/wallet", { ...key, "X-SSO-User": "ann" })).to.equal(200);
    const wallet = { service: "wallet", idempotencyKey: "whose-4711" };
    expect(await found({ ...wallet, principal: "ann" })).to.equal(200);
    expect(await found({ ...wallet, principal: "bob" })).to.equal(404);
    expect(await found(wallet), "a principal that no API key names").to.equal(404);
    expect(await sent("/shop", { ...key, Host: "www.shop.test" })).to.equal(200);
    const shop = { service: "shop", idempotencyKey: "whose-4711" };
    expect(await found({ ...shop, host: "www.shop.test" })).to.equal(200);
    expect(await found({ ...shop, host: "other.test" })).to.equal(404);
    const here = { service: "shop", idempotencyKey: "here-4711" };
    expect(await sent("/shop", { "Idempotency-Key": here.idempotencyKey })).to.equal(200);
    expect(await found(here)).to.equal(200);
  });

  it("an act on another version than the one seen is 412 with the process as it is, and changes nothing", async () => {
    await pay("version");
    const { id, version } = await lookUp("version");
    const refused = await admin.send(
      "POST",
      `/processes/${id}:rerun`,
      { reason: "outdated tab" },
      { "if-match": `"v${version - 1}"` },
    );
    expect(refused.status).to.equal(412);
    expect((await json<{ process: { version: number } }>(refused)).process.version).to.equal(version);
    expect((await lookUp("version")).id).to.equal(id);
    const done = await admin.send(
      "POST",
      `/processes/${id}:rerun`,
      { reason: "rate table fixed" },
      { "if-match": `"v${version}"` },
    );
    expect(done.status).to.equal(202);
    const history = await json<{ items: { id: string }[] }>(await admin.get(`/processes/${id}/history`));
    expect(history.items).to.have.length(2);
    for (const item of history.items) {
      const timeline = await json<{ items: Record<string, string>[] }>(
        await admin.get(`/processes/${item.id}/timeline`),
      );
      const act = timeline.items.find(({ event }) => event === "operator-rerun");
      expect(act, item.id).to.include({ reason: "rate table fixed" });
      expect(act!["actor"]).to.match(/./);
    }
  });

  it("every act stands in the audit with who, what, why and what came of it", async () => {
    await pay("audited");
    const { id } = await lookUp("audited");
    await as.get("operator")!.send("POST", `/processes/${id}:cancel`, { reason: "customer called" });
    const { items } = await json<{ items: Record<string, string>[] }>(await admin.get(`/audit?target=${id}`));
    expect(items).to.have.length(1);
    expect(items[0]).to.include({
      actor: "test operator",
      role: "operator",
      source: "panel",
      action: "process.cancel",
      target: id,
      reason: "customer called",
      result: "process-terminal",
    });
    for (const reason of ["", "  ", "no", "x".repeat(301)]) {
      const answer = await admin.send("POST", `/processes/${id}:cancel`, { reason });
      expect(answer.status, reason).to.equal(400);
    }
  });

  it("payloads are for operators: headers redacted, bodies saved and never shown as a page", async () => {
    await pay("payload");
    const { id } = await lookUp("payload");
    const request = await json<{ headers: [string, string][]; body: string; bytes: number }>(
      await admin.get(`/processes/${id}/request`),
    );
    expect(JSON.parse(request.body)).to.deep.equal({ amount: 1, key: "payload" });
    expect(JSON.stringify(request.headers)).not.to.include("of-key-owner");
    const saved = await admin.get(`/processes/${id}/result/body`);
    expect(await saved.text()).to.equal('{"paid":true}');
    expect(saved.headers.get("content-disposition")).to.match(/^attachment/);
    expect(saved.headers.get("content-security-policy")).to.match(/sandbox/);
    expect(saved.headers.get("content-type")).to.equal("application/octet-stream");
  });

  it("an unchanged answer is 304, whatever its time", async () => {
    const first = await admin.get("/tokens");
    const again = await admin.get("/tokens", { "if-none-match": first.headers.get("etag")! });
    expect(again.status).to.equal(304);
    const other = await admin.get("/tokens", { "if-none-match": 'W/"other"' });
    expect(other.status).to.equal(200);
  });

  it("dead letters of one kind stand together, and one of them can be discarded", async () => {
    await pay("letter-1", "/pay/dead/y");
    const { groups } = await json<{ groups: Record<string, unknown>[] }>(
      await admin.get("/dead-letters/groups?service=pay"),
    );
    const group = groups.find(({ operation }) => operation === "POST /dead/y");
    expect(group).to.include({ service: "pay", executed: "unknown", count: 1 });
    const { id } = await lookUp("letter-1");
    const done = await admin.send("POST", `/dead-letters/${id}:discard`, { reason: "customer paid by card" });
    expect(await json(done)).to.deep.equal({ result: "discarded" });
    const left = await json<{ groups: Record<string, unknown>[] }>(await admin.get("/dead-letters/groups"));
    expect(left.groups.some(({ operation }) => operation === "POST /dead/y")).to.equal(false);
  });

  it("logout, and the end of the token, end the session", async () => {
    const made = await admin.send("POST", "/tokens", {
      name: "gone",
      role: "viewer",
      reason: "for the test",
    });
    const { id, secret } = await json<{ id: string; secret: string }>(made);
    const first = await logIn(gateway.adminUrl, secret);
    const second = await logIn(gateway.adminUrl, secret);
    expect((await first.get("/services")).status).to.equal(200);
    expect((await first.send("DELETE", "/session")).status).to.equal(204);
    expect((await first.get("/services")).status).to.equal(401);
    expect((await second.get("/services")).status).to.equal(200);
    expect((await admin.send("DELETE", `/tokens/${id}`, { reason: "left the team" })).status).to.equal(204);
    expect((await second.get("/services")).status).to.equal(401);
    const bearer = await fetch(`${gateway.adminUrl}/api/v1/services`, {
      headers: { authorization: `Bearer ${secret}` },
    });
    expect(bearer.status).to.equal(401);
  });

  it("after five failed logins the address waits, with the right token too", async () => {
    const attempt = (token: string) =>
      fetch(`${gateway.adminUrl}/api/v1/session`, {
        method: "POST",
        headers: { "content-type": "application/json", "sec-fetch-site": "same-origin" },
        body: JSON.stringify({ token }),
      });
    const statuses: number[] = [];
    do statuses.push((await attempt(`sat_abcdefghijkl_${"x".repeat(43)}`)).status);
    while (statuses.at(-1) === 401 && statuses.length < 10);
    expect(statuses.at(-1)).to.equal(429);
    const right = await attempt(tokens.get("admin")!);
    expect(right.status).to.equal(429);
    expect(Number(right.headers.get("retry-after"))).to.be.within(1, 60);
  });
});
