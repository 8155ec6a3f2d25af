import { expect } from "chai";
import fc from "fast-check";
import { createRedactor, secretNames } from "./redact.ts";

const redact = createRedactor(Buffer.alloc(32, 1));
const secret = "s3cret-value-1234567890";
const mark = /^\[redacted:[0-9a-f]{8}\]$/;

describe("redaction", () => {
  it("redacts every name of the list, which this test repeats", () => {
    const byHand = (
      "authorization proxy-authorization cookie set-cookie x-api-key webhook-signature sticky-execution " +
      "idempotency-key x-idempotency-key"
    ).split(" ");
    expect([...secretNames].toSorted()).to.deep.equal(byHand.toSorted());
    for (const name of byHand) expect(redact([name.toUpperCase(), secret])).to.not.include(secret);
  });

  for (const name of [
    "authorization",
    "Proxy-Authorization",
    "Cookie",
    "set-cookie",
    "X-Api-Key",
    "webhook-signature",
    "Sticky-Execution",
    "Idempotency-Key",
    "accessToken",
    "client_secret",
    "PASSWORD",
  ])
    it(`redacts ${name}, as a member and as a header line`, () => {
      const { [name]: member } = redact({ [name]: secret }) as Record<string, string>;
      expect(member).to.match(mark);
      expect(redact({ headers: [[name, secret]] })).to.deep.equal({ headers: [[name, member]] });
      expect(redact(new Map([[name, secret]]))).to.deep.equal({ [name]: member });
    });

  it("redacts inside a text: passwords and tokens in URLs, bearer credentials, signing secrets", () => {
    for (const text of [
      `connect redis://user:${secret}@h:6379/0 failed`,
      `POST https://h/jobs?sticky=${secret}&x=1`,
      `?access_token=${secret}`,
      `Authorization: Bearer ${secret}`,
      `key whsec_${secret}`,
    ]) {
      const shown = redact(text);
      expect(shown)
        .to.be.a("string")
        .that.matches(/\[redacted:[0-9a-f]{8}\]/);
      expect(shown).to.not.contain(secret);
    }
  });

  it("redacts an error's message, stack and cause", () => {
    const error = new Error(`redis://u:${secret}@h`, { cause: new TypeError(`?sticky=${secret}`) });
    const shown = redact({ err: error });
    expect(JSON.stringify(shown)).to.not.contain(secret);
    expect(shown).to.have.nested.property("err.cause.type", "TypeError");
  });

  it("equal secrets have equal digests within one process, and other digests in another process", () => {
    const other = createRedactor(Buffer.alloc(32, 2));
    expect(redact({ token: secret })).to.deep.equal(redact({ token: secret }));
    expect(redact({ token: secret })).to.not.deep.equal(other({ token: secret }));
  });

  it("keeps other values, as plain data", () => {
    expect(
      redact({
        status: 200,
        big: 12n,
        at: new Date(0),
        set: new Set(["a"]),
        body: Buffer.from("abc"),
        no: null,
      }),
    ).to.deep.equal({
      status: 200,
      big: "12",
      at: "1970-01-01T00:00:00.000Z",
      set: ["a"],
      body: "[3 bytes]",
      no: null,
    });
    expect(redact({ token: true, secret: null })).to.deep.equal({ token: true, secret: null });
  });

  it("limits depth, width and length, and accepts circular references", () => {
    const circle: Record<string, unknown> = {
      list: Array.from({ length: 1000 }, () => 1),
      text: "x".repeat(10_000),
    };
    circle.self = circle;
    let deep: unknown = 1;
    for (let i = 0; i < 10_000; i += 1) deep = { deep };
    const shown = redact({ circle, deep });
    expect(shown).to.have.nested.property("circle.self", "[circular]");
    expect(JSON.stringify(shown).length).to.be.lessThan(6000);
  });

  it("matches adversarial texts in linear time: thousands pass within the test's timeout", () => {
    for (const text of [
      "?".repeat(4096),
      "a.".repeat(2048) + "://",
      "?" + "token".repeat(800),
      "bearer ".repeat(600),
    ])
      for (let i = 0; i < 500; i += 1) redact(text);
  });

  it("any value becomes JSON without throwing, and without its secret members", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(JSON.stringify(redact({ value, password: secret }))).to.not.contain(secret);
      }),
    );
  });
});
