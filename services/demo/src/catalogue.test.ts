import { expect } from "chai";
import { startDemo, type Demo } from "./app.ts";

describe("demo catalogue", () => {
  let demo: Demo;
  before(async () => {
    demo = await startDemo({ port: 0 });
  });
  after(() => demo.close());

  it("a product has validators, a lifetime and tags, and its requests are counted", async () => {
    const first = await fetch(`${demo.url}/products/1?maxAge=5`);
    expect(first.status).to.equal(200);
    expect(first.headers.get("cache-control")).to.equal("public, max-age=5");
    expect(first.headers.get("surrogate-key")).to.equal("products product-1");
    expect(first.headers.get("last-modified")).to.match(/GMT$/);
    expect(first.headers.get("x-demo-executions")).to.equal("1");
    const again = await fetch(`${demo.url}/products/1`, {
      headers: { "if-none-match": first.headers.get("etag") ?? "" },
    });
    expect(again.status).to.equal(304);
    expect(again.headers.get("x-demo-executions")).to.equal("2");
    expect(await again.text()).to.equal("");
  });

  it("a conditional request for a changed product gets the whole product", async () => {
    const etag = (await fetch(`${demo.url}/products/2`)).headers.get("etag") ?? "";
    await fetch(`${demo.url}/products/2`, { method: "PUT", body: '{"name": "Stool", "price": 1}' });
    const after = await fetch(`${demo.url}/products/2`, { headers: { "if-none-match": etag } });
    expect(after.status).to.equal(200);
    expect(await after.json()).to.deep.equal({ id: "2", name: "Stool", price: 1 });
  });

  it("the stock changes with every request and has no-store", async () => {
    const answers = await Promise.all([fetch(`${demo.url}/stock/1`), fetch(`${demo.url}/stock/1`)]);
    expect(answers.map((answer) => answer.headers.get("cache-control"))).to.deep.equal([
      "no-store",
      "no-store",
    ]);
    const [a, b] = await Promise.all(answers.map((answer) => answer.text()));
    expect(a).to.not.equal(b);
  });

  it("a slow response is cacheable", async () => {
    const answer = await fetch(`${demo.url}/slow?delayMs=1&maxAge=7`);
    expect(answer.headers.get("cache-control")).to.equal("max-age=7");
  });
});
