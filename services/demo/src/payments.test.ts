import { expect } from "chai";
import { startDemo, type Demo } from "./app.ts";

describe("demo payments", () => {
  let demo: Demo;
  before(async () => {
    demo = await startDemo({ port: 0 }, { name: "pay-1" });
  });
  after(() => demo.close());

  const charge = (key: string | null, query = "", body = '{"amount": 100}') =>
    fetch(`${demo.url}/charges${query}`, {
      method: "POST",
      body,
      headers: key === null ? {} : { "idempotency-key": key },
    });
  const listed = async (key: string) =>
    (await (await fetch(`${demo.url}/charges?key=${key}`)).json()) as {
      count: number;
      executions: Record<string, number>;
    };

  it("each execution of a key is counted", async () => {
    expect(await (await charge('"twice"')).json()).to.include({ amount: 100, key: "twice", executions: 1 });
    const second = await charge("twice");
    expect(second.status).to.equal(201);
    expect(second.headers.get("location")).to.match(/^\/charges\/ch_\d+$/);
    expect(second.headers.get("x-demo-instance")).to.equal("pay-1");
    expect(await second.json()).to.include({ executions: 2 });
    expect(await listed("twice")).to.deep.include({ count: 2 });
  });

  it("a charge without a valid amount is refused and does not run", async () => {
    for (const body of ["{}", '{"amount": 0}', '{"amount": 1.5}', '{"amount": "x"}']) {
      const answer = await charge("bad", "", body);
      expect(answer.status, body).to.equal(422);
      expect(await answer.json())
        .to.have.property("error")
        .that.matches(/^amount/);
    }
    expect((await charge("bad", "", "{")).status).to.equal(400);
    expect(await listed("bad")).to.deep.include({ count: 0 });
  });

  it("a request for an error status gets it and does not run", async () => {
    expect((await charge("refused", "?status=503")).status).to.equal(503);
    expect(await listed("refused")).to.deep.include({ count: 0 });
  });

  it("a charge that is cut half-way runs, and its body breaks off", async () => {
    const answer = await charge("half", "?cut=half-way");
    expect(answer.status).to.equal(201);
    expect(await answer.text().catch(() => "broken")).to.equal("broken");
    expect(await listed("half")).to.deep.include({ count: 1 });
  });

  it("a charge that is cut silently runs, and no byte of a response is sent", async () => {
    expect(await charge("silent", "?cut=silent").catch(() => "no answer")).to.equal("no answer");
    expect(await listed("silent")).to.deep.include({ count: 1 });
  });

  it("a charge that is cut before its work does not run", async () => {
    expect(await charge("before", "?cut=before").catch(() => "no answer")).to.equal("no answer");
    expect(await listed("before")).to.deep.include({ count: 0 });
  });

  it("an unknown charge or path is answered with 404", async () => {
    expect((await fetch(`${demo.url}/charges/ch_0`)).status).to.equal(404);
    expect((await fetch(`${demo.url}/nothing`)).status).to.equal(404);
  });
});

describe("demo health", () => {
  it("the health check can be switched off and on again", async () => {
    const demo = await startDemo({ port: 0 });
    const put = (up: unknown) =>
      fetch(`${demo.url}/health`, { method: "POST", body: JSON.stringify({ up }) });
    try {
      expect((await fetch(`${demo.url}/health`)).status).to.equal(200);
      expect((await put(false)).status).to.equal(200);
      expect((await fetch(`${demo.url}/health`)).status).to.equal(503);
      expect((await put("no")).status).to.equal(422);
      await put(true);
      expect((await fetch(`${demo.url}/health`)).status).to.equal(200);
    } finally {
      await demo.close();
    }
  });
});
