import type { RequestHead } from "@sticky-proxy/core/http";
import type { StoredRequest } from "@sticky-proxy/core/process";
import { expect } from "chai";
import { injectCallback } from "./inject-callback.ts";

const url = "http://gateway/_sticky/v1/executions/1.a.1/complete?sticky=1.token";
const nowhere = { query: null, json: null, header: null };

function request(body: string, query: string | null = null): StoredRequest {
  const head: RequestHead = { method: "POST", path: "/jobs", query, headers: [] };
  return { head, key: null, body: Buffer.from(body) };
}
const bodyOf = (pointer: readonly string[], body: string): string =>
  Buffer.from(injectCallback({ ...nowhere, json: pointer }, request(body), url).body).toString();

describe("the callback address in a request", () => {
  it("stands in our own field without the token, and the request is sent as it came", () => {
    const sent = request('{ "a" : 1 }', "b=2");
    const injected = injectCallback(nowhere, sent, url);
    expect(injected).to.deep.equal({
      head: sent.head,
      body: sent.body,
      set: [["Sticky-Callback-Url", url.split("?")[0]]],
    });
  });

  it("goes into a header, and behind the query that is there", () => {
    const { set, head } = injectCallback(
      { query: "notify", json: null, header: "X-Callback" },
      request("", "b=2"),
      url,
    );
    expect(set).to.deep.include(["X-Callback", url]);
    expect(head.query).to.equal(`b=2&notify=${encodeURIComponent(url)}`);
    expect(injectCallback({ ...nowhere, query: "n" }, request(""), url).head.query).to.match(/^n=http/);
  });

  for (const [form, query, rest] of [
    ["in clear", "notify=http://evil/&n=1", "n=1"],
    ["escaped", "%6eotif%79=x&n=1", "n=1"],
    ["escaped with bytes that are no UTF-8 behind", "notify%5b%ff%5d=x&n=1", "n=1"],
    ["twice", "notify=a&n=1&notify=b", "n=1"],
    ["without a value", "n=1&notify", "n=1"],
    ["in another case", "Notify=x&n=1", "n=1"],
    ["behind blanks", "+notify=x&%20notify=y&n=1", "n=1"],
    ["as a list", "notify[]=x&notify%5B0%5D=y&n=1", "n=1"],
    ["behind a semicolon", "n=1;notify=x&m=2;o=3", "n=1&m=2;o=3"],
  ] as const) {
    it(`replaces the client's own parameter ${form}`, () => {
      const { head } = injectCallback({ ...nowhere, query: "notify" }, request("", query), url);
      expect(head.query).to.equal(`${rest}&notify=${encodeURIComponent(url)}`);
    });
  }
  it("leaves every other parameter as it came", () => {
    const others = "notifyAll=1&x=notify&&a=%6e%zz&no%74e;=2";
    const { head } = injectCallback({ ...nowhere, query: "notify" }, request("", others), url);
    expect(head.query).to.equal(`${others}&notify=${encodeURIComponent(url)}`);
  });

  it("goes into a JSON member, made with the objects on its way", () => {
    expect(bodyOf(["callback_url"], '{"account":"a"}')).to.equal(`{"account":"a","callback_url":"${url}"}`);
    expect(bodyOf(["hooks", "done"], '{"hooks":{"start":"x"}}')).to.equal(
      `{"hooks":{"start":"x","done":"${url}"}}`,
    );
    expect(bodyOf(["callback_url"], '{"callback_url":"theirs"}')).to.equal(`{"callback_url":"${url}"}`);
  });

  it("numbers keep every digit", () => {
    const numbers = '"id":12345678901234567890,"price":1.10,"tiny":1e-400';
    expect(bodyOf(["u"], `{${numbers}}`)).to.equal(`{${numbers},"u":"${url}"}`);
  });

  it("never touches a prototype", () => {
    const body = bodyOf(["__proto__", "polluted"], "{}");
    expect(body).to.equal(`{"__proto__":{"polluted":"${url}"}}`);
    expect(Object.hasOwn(Object.prototype, "polluted")).to.equal(false);
  });

  for (const body of ["[1]", "1", "text", "", "null"])
    it(`leaves ${JSON.stringify(body)} as it is: there is no member to set`, () => {
      expect(bodyOf(["u"], body)).to.equal(body);
    });
});
