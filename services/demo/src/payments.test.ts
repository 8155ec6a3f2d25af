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

  it("counts each execution of a key, so that a second one is seen", async () => {
    expect(await (await charge('"twice"')).json()).to.include({ amount: 100, key: "twice", executions: 1 });
    const second = await charge("twice");
    expect(second.status).to.equal(201);
    expect(second.headers.get("location")).to.match(/^\/charges\/ch_\d+$/);
    expect(second.headers.get("x-demo-instance")).to.equal("pay-1");
    expect(await second.json()).to.include({ executions: 2 });
    expect(await listed("twice")).to.deep.include({ count: 2 });
  });

  it("refuses a charge without a sensible amount, and charges nothing", async () => {
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

  it("answers with the status that was asked for without charging", async () => {
    expect((await charge("refused", "?status=503")).status).to.equal(503);
    expect(await listed("refused")).to.deep.include({ count: 0 });
  });

  it("cut half-way: the charge ran, the client gets a broken body", async () => {
    const answer = await charge("half", "?cut=half-way");
    expect(answer.status).to.equal(201);
    expect(await answer.text().catch(() => "broken")).to.equal("broken");
    expect(await listed("half")).to.deep.include({ count: 1 });
  });

  it("cut silently: the charge ran, no byte of an answer came", async () => {
    expect(await charge("silent", "?cut=silent").catch(() => "no answer")).to.equal("no answer");
    expect(await listed("silent")).to.deep.include({ count: 1 });
  });

  it("cut before: nothing ran", async () => {
    expect(await charge("before", "?cut=before").catch(() => "no answer")).to.equal("no answer");
    expect(await listed("before")).to.deep.include({ count: 0 });
  });

  it("answers 404 for what is not there", async () => {
    expect((await fetch(`${demo.url}/charges/ch_0`)).status).to.equal(404);
    expect((await fetch(`${demo.url}/nothing`)).status).to.equal(404);
  });
});

describe("demo health", () => {
  it("can be switched off and on again", async () => {
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
