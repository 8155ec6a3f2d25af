import { randomBytes } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import {
  equalSecrets,
  executionToken,
  readSigningKey,
  signWebhook,
  verifyExecutionToken,
  verifyWebhook,
  type ReceivedSignature,
  type SigningKey,
  type WebhookHeaders,
} from "./signature.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const secretOf = (length: number): string => `whsec_${randomBytes(length).toString("base64")}`;
const now = Date.now();
const secret = secretOf(24);
const key = readSigningKey(secret)!;
const other = readSigningKey(secretOf(32))!;
const body = bytes('{"ok":true}');

const received = (headers: WebhookHeaders, changes: Partial<ReceivedSignature> = {}): ReceivedSignature => ({
  id: [headers["webhook-id"]],
  timestamp: [headers["webhook-timestamp"]],
  signature: [headers["webhook-signature"]],
  ...changes,
});

const sign = (keys: readonly SigningKey[] = [key]): WebhookHeaders => signWebhook("msg_1", body, keys, now);
const reason = (signature: ReceivedSignature, at = now, content = body): string => {
  const verdict = verifyWebhook(signature, content, [key], at);
  return verdict.valid ? "valid" : verdict.reason;
};

describe("readSigningKey", () => {
  it("takes 24 to 64 bytes of base64 with the prefix, padded or not", () => {
    expect(readSigningKey(secretOf(24))?.bytes).to.have.length(24);
    expect(readSigningKey(secretOf(64))?.bytes).to.have.length(64);
    expect(readSigningKey(secretOf(25).replace(/=+$/, ""))?.bytes).to.have.length(25);
  });

  it("refuses short, long, foreign and mistyped secrets", () => {
    for (const text of [
      secretOf(23),
      secretOf(65),
      secretOf(3),
      secretOf(24).slice(6),
      `${secretOf(24)}!`,
      "whsec_",
      "",
    ]) {
      expect(readSigningKey(text), text).to.equal(null);
    }
  });
});

describe("signatures", () => {
  it("are what the standardwebhooks package makes and accepts", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (content) => {
        const oracle = new Webhook(secret);
        const ours = signWebhook("msg_1", bytes(content), [key], now);
        const seconds = new Date(Math.floor(now / 1000) * 1000);
        expect(ours["webhook-signature"]).to.equal(oracle.sign("msg_1", seconds, content));
        const theirs = {
          id: ["msg_1"],
          timestamp: [ours["webhook-timestamp"]],
          signature: [oracle.sign("msg_1", seconds, content)],
        };
        expect(verifyWebhook(theirs, bytes(content), [key], now)).to.deep.equal({
          valid: true,
          id: "msg_1",
          key: 0,
        });
      }),
      { numRuns: 50 },
    );
    const json = signWebhook("msg_1", body, [key], Date.now());
    expect(new Webhook(secret).verify('{"ok":true}', { ...json })).to.deep.equal({ ok: true });
  });

  it("name the key that matched while keys rotate, on either side", () => {
    const old = sign([other]);
    expect(verifyWebhook(received(old), body, [key, other], now)).to.deep.equal({
      valid: true,
      id: "msg_1",
      key: 1,
    });
    const both = sign([other, key]);
    expect(both["webhook-signature"].split(" ")).to.have.length(2);
    expect(verifyWebhook(received(both), body, [key], now).valid).to.equal(true);
  });

  it("cover the raw bytes: one byte that is not UTF-8 changed is a mismatch", () => {
    const raw = Uint8Array.of(0x61, 0xff, 0x62);
    const headers = signWebhook("msg_1", raw, [key], now);
    expect(reason(received(headers), now, raw)).to.equal("valid");
    expect(reason(received(headers), now, Uint8Array.of(0x61, 0xfe, 0x62))).to.equal("mismatch");
  });

  it("cover id and time", () => {
    const headers = sign();
    expect(reason(received(headers))).to.equal("valid");
    expect(reason(received(headers, { id: ["msg_2"] }))).to.equal("mismatch");
    expect(reason(received(headers, { timestamp: [String(Math.floor(now / 1000) + 1)] }))).to.equal(
      "mismatch",
    );
    expect(verifyWebhook(received(headers), body, [other], now)).to.deep.equal({
      valid: false,
      reason: "mismatch",
    });
    expect(verifyWebhook(received(headers), body, [], now)).to.deep.equal({
      valid: false,
      reason: "mismatch",
    });
  });

  it("live 300 seconds in both directions", () => {
    const at = Math.floor(now / 1000) * 1000;
    const headers = signWebhook("msg_1", body, [key], at);
    expect(reason(received(headers), at + 300_000)).to.equal("valid");
    expect(reason(received(headers), at - 300_000)).to.equal("valid");
    expect(reason(received(headers), at + 301_000)).to.equal("timestamp");
    expect(reason(received(headers), at - 301_000)).to.equal("timestamp");
  });

  it("need a timestamp of ten digits and nothing else", () => {
    const headers = sign();
    const seconds = headers["webhook-timestamp"];
    for (const timestamp of [
      `${seconds}junk`,
      `${seconds}.9`,
      "-1",
      "",
      ` ${seconds}`,
      `0${seconds}`,
      "1e9",
    ]) {
      expect(reason(received(headers, { timestamp: [timestamp] })), timestamp).to.equal("malformed");
    }
  });

  it("count when one of several is good, up to ten", () => {
    const headers = sign();
    const good = headers["webhook-signature"];
    const bad = `v1,${Buffer.alloc(32).toString("base64")}`;
    const list = (...entries: string[]): ReceivedSignature =>
      received(headers, { signature: [entries.join(" ")] });
    expect(reason(list(bad, good))).to.equal("valid");
    expect(reason(list("v2,abc", "v1a,abc", "", good))).to.equal("valid");
    expect(reason(list(...Array<string>(9).fill(bad), good))).to.equal("valid");
    expect(reason(list(...Array<string>(10).fill(bad), good))).to.equal("malformed");
    for (const entry of [
      "",
      "v1,",
      good.slice(3),
      good.toLowerCase(),
      good.slice(0, -1),
      `${good}=`,
      "v1,é",
    ]) {
      expect(reason(list(entry)), entry).to.equal("mismatch");
    }
  });

  it("are absent only when all three fields are, and malformed when one is missing or repeated", () => {
    const headers = sign();
    expect(reason({ id: [], timestamp: [], signature: [] })).to.equal("absent");
    expect(reason(received(headers, { id: [] }))).to.equal("malformed");
    expect(reason(received(headers, { signature: [] }))).to.equal("malformed");
    expect(reason(received(headers, { id: ["msg_1", "msg_1"] }))).to.equal("malformed");
    expect(reason(received(headers, { id: [], signature: ["a", "b"] }))).to.equal("malformed");
  });

  it("cannot be read as another split of the same bytes: no full stop in an id", () => {
    const seconds = Math.floor(now / 1000);
    const inner = signWebhook("msg", bytes(`${seconds}.pay`), [key], now);
    const moved = received(inner, { id: [`msg.${seconds}`] });
    expect(reason(moved, now, bytes("pay"))).to.equal("malformed");
    expect(() => signWebhook("a.b", body, [key], now)).to.throw(RangeError);
    expect(() => signWebhook("", body, [key], now)).to.throw(RangeError);
    expect(() => signWebhook("a", body, [], now)).to.throw(RangeError);
  });
});

describe("execution tokens", () => {
  const id = "17.Zk3abcdefghijklmnop_-9.1k9f";

  it("name the attempt they were made for", () => {
    const token = executionToken("secret", id, 3);
    expect(token).to.match(/^3\.[A-Za-z0-9_-]{43}$/);
    expect(verifyExecutionToken("secret", id, token)).to.equal(3);
  });

  it("are bound to process, attempt and secret", () => {
    const token = executionToken("secret", id, 3);
    expect(verifyExecutionToken("secret", `${id}0`, token)).to.equal(null);
    expect(verifyExecutionToken("other", id, token)).to.equal(null);
    expect(verifyExecutionToken("secret", id, `4${token.slice(1)}`)).to.equal(null);
    for (const text of [
      "",
      "3",
      "3.",
      `03${token.slice(1)}`,
      `${token}=`,
      ` ${token}`,
      "3.".padEnd(10_000, "a"),
    ]) {
      expect(verifyExecutionToken("secret", id, text), text.slice(0, 50)).to.equal(null);
    }
  });
});

describe("equalSecrets", () => {
  it("compares texts of any lengths", () => {
    expect(equalSecrets("abc", "abc")).to.equal(true);
    expect(equalSecrets("abc", "abd")).to.equal(false);
    expect(equalSecrets("", "abc")).to.equal(false);
    expect(equalSecrets("é", "é")).to.equal(true);
  });
});
