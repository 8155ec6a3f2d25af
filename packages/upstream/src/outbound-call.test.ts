import { FakeUpstream, RawUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { createAddressGuard, type GuardOptions } from "./guard.ts";
import { createOutboundCaller, type OutboundCaller } from "./outbound-call.ts";

describe("an outbound call", () => {
  let upstream: FakeUpstream;
  let caller: OutboundCaller;
  const bounds = { method: "GET", headers: [], body: null, timeoutMs: 2000, maxBytes: 100 } as const;

  beforeEach(async () => {
    upstream = await FakeUpstream.start();
    caller = createOutboundCaller(createAddressGuard({ allowPrivate: true }));
  });
  afterEach(async () => {
    caller.close();
    await upstream.close();
  });

  it("returns status, every header line and the body unchanged", async () => {
    upstream.respond((_request, response) => {
      response.writeHead(
        418,
        [
          ["X-A", "1"],
          ["X-A", "2"],
          ["Content-Encoding", "gzip"],
        ].flat(),
      );
      response.end("not gzip at all");
    });
    const answer = await caller.call({ ...bounds, url: new URL(`${upstream.origin}/a?b=c`) });
    if (answer.kind !== "answered") throw new Error(answer.detail);
    expect(answer.status).to.equal(418);
    expect(answer.headers.filter(([name]) => name === "X-A")).to.deep.equal([
      ["X-A", "1"],
      ["X-A", "2"],
    ]);
    expect(Buffer.from(answer.body).toString()).to.equal("not gzip at all");
    expect(upstream.last.target).to.equal("/a?b=c");
    expect(upstream.last.headers.has("accept-encoding")).to.equal(false);
  });

  it("sends a body once and neither follows a redirect nor repeats a failure", async () => {
    upstream.respond((_request, response) => response.writeHead(307, { Location: "/other" }).end());
    const url = new URL(`${upstream.origin}/hook`);
    const answer = await caller.call({ ...bounds, method: "POST", url, body: Buffer.from("{}") });
    expect(answer).to.include({ kind: "answered", status: 307 });
    upstream.respond((_request, response) => response.destroy());
    const failed = await caller.call({ ...bounds, method: "POST", url, body: Buffer.from("{}") });
    expect(failed).to.include({ kind: "failed", reason: "connection" });
    expect(upstream.requests.map(({ body }) => body.toString())).to.deep.equal(["{}", "{}"]);
  });

  it("truncates a response that is too large and marks it", async () => {
    upstream.respond((_request, response) => response.end(Buffer.alloc(1_000_000, "x")));
    const answer = await caller.call({ ...bounds, url: new URL(upstream.origin) });
    if (answer.kind !== "answered") throw new Error(answer.detail);
    expect(answer.tooLarge).to.equal(true);
    expect(answer.body.length).to.equal(100);
  });

  it("accepts a response of exactly the allowed length", async () => {
    upstream.respond((_request, response) => response.end(Buffer.alloc(100, "x")));
    const answer = await caller.call({ ...bounds, url: new URL(upstream.origin) });
    expect(answer).to.include({ kind: "answered", tooLarge: false });
  });

  it("times out on a response that never ends", async () => {
    upstream.respond((_request, response) => response.write("so far"));
    const answer = await caller.call({ ...bounds, url: new URL(upstream.origin), timeoutMs: 50 });
    expect(answer).to.deep.include({ kind: "failed", reason: "timeout" });
  });

  it("treats a truncated body as no response", async () => {
    const raw = await RawUpstream.start("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    const answer = await caller.call({ ...bounds, url: new URL(raw.origin) });
    expect(answer).to.include({ kind: "failed", reason: "connection" });
    await raw.close();
  });

  it("checks an address literal with the guard before anything is sent", async () => {
    const guarded = createOutboundCaller(createAddressGuard({ allowPrivate: false }));
    const answer = await guarded.call({ ...bounds, url: new URL(upstream.origin) });
    expect(answer).to.deep.equal({ kind: "failed", reason: "refused", detail: "it is loopback" });
    expect(upstream.requests).to.have.length(0);
    guarded.close();
  });

  it("connects through the guard's look-up only", async () => {
    const asked: string[] = [];
    const resolve: NonNullable<GuardOptions["resolve"]> = (name, callback) => {
      asked.push(name);
      callback(null, [{ address: "127.0.0.1", family: 4 }]);
    };
    const url = new URL(upstream.origin.replace("127.0.0.1", "inside.example"));
    const guarded = createOutboundCaller(createAddressGuard({ allowPrivate: false, resolve }));
    expect(await guarded.call({ ...bounds, url })).to.include({ kind: "failed", reason: "refused" });
    expect(upstream.requests).to.have.length(0);
    const opened = createOutboundCaller(createAddressGuard({ allowPrivate: true, resolve }));
    expect(await opened.call({ ...bounds, url })).to.include({ kind: "answered", status: 200 });
    // Host keeps the name; the connection goes to the address that was checked.
    expect(upstream.last.headers.get("host")).to.equal(url.host);
    expect(asked).to.deep.equal(["inside.example", "inside.example"]);
    guarded.close();
    opened.close();
  });
});
