import { createSecretKey } from "node:crypto";
import { createTestWorld } from "@sticky-proxy/core/testing";
import type { CallbackAuth, Service } from "@sticky-proxy/core/registry";
import { executionToken, readSigningKey, signWebhook } from "@sticky-proxy/protocol";
import type { HeaderList } from "@sticky-proxy/core/http";
import { expect } from "chai";
import { createCallbackVerifier, type Judged } from "./verify-callback.ts";

const secret = Buffer.alloc(32, 7);
const [newKey, oldKey] = [1, 2].map((byte) => `whsec_${Buffer.alloc(32, byte).toString("base64")}`) as [
  string,
  string,
];
const processId = "0.AAAAAAAAAAAAAAAAAAAAAA.1";
const body = Buffer.from("{}");
const now = 1_700_000_000_000;
const keyId = (text: string): string => text.slice(-8);

const token = (text = executionToken(secret, processId, 1)): HeaderList => [["Sticky-Execution", text]];
const wrongToken = token(executionToken(secret, processId, 1).replace(/.{4}$/, "AAAA"));
const signed = (key: string): HeaderList =>
  Object.entries(signWebhook("msg_1", body, [readSigningKey(key)!], now));

const pinned = (mode: CallbackAuth["mode"], ...keys: string[]): Judged["pinned"] => ({
  callback: { mode, keys: keys.map(keyId) },
});
const serviceWith = (mode: CallbackAuth["mode"], ...secrets: string[]): Service => ({
  ...createTestWorld().service,
  callbackAuth: { mode, secrets, sharedToken: null },
});

function judge(service: Service | null, pin: Judged["pinned"], lines: HeaderList): string {
  const verifier = createCallbackVerifier(
    [createSecretKey(secret)],
    service === null ? [] : [service],
    keyId,
  );
  const judgement = verifier.verify({ processId, service, pinned: pin }, lines, null, body, now);
  return typeof judgement === "string" ? judgement : judgement.via;
}

describe("the proof of a report", () => {
  it("is judged by the service of today's file", () => {
    for (const [service, lines, judgement] of [
      [serviceWith("token"), token(), "header"],
      [serviceWith("token"), [], "token-missing"],
      [serviceWith("signature", newKey), [...token(), ...signed(newKey)], "header"],
      [serviceWith("signature", newKey), signed(newKey), "token-missing"],
      [serviceWith("signature", newKey), token(), "signature-missing"],
      [serviceWith("both", newKey), [...token(), ...signed(newKey)], "header"],
      [serviceWith("both", newKey), token(), "signature-missing"],
      [serviceWith("either", newKey), token(), "header"],
      [serviceWith("either", newKey), signed(newKey), "token-missing"],
      [serviceWith("either", newKey), [...wrongToken, ...signed(newKey)], "token-wrong"],
      [serviceWith("none"), [], "none"],
    ] as const)
      expect(judge(service, pinned(service.callbackAuth.mode, newKey), lines)).to.equal(judgement);
  });

  it("cannot be judged where the signing key is not in today's file, and may be on another replica", () => {
    const lines = [...token(), ...signed(newKey)];
    expect(judge(serviceWith("signature", oldKey), pinned("signature", newKey), lines)).to.equal(
      "cannot-tell",
    );
    expect(judge(null, pinned("signature", newKey), lines)).to.equal("cannot-tell");
    expect(judge(null, pinned("both", newKey), lines)).to.equal("cannot-tell");
  });

  it("is refused wherever it is wrong whatever the file says: a wrong token, no signature, one by a key known here", () => {
    for (const service of [null, serviceWith("token"), serviceWith("both", oldKey)]) {
      expect(judge(service, pinned("both", newKey), [...wrongToken, ...signed(newKey)])).to.equal(
        "token-wrong",
      );
      expect(judge(service, pinned("signature", newKey), [])).to.equal("token-missing");
    }
    const own = serviceWith("signature", newKey);
    expect(judge(own, pinned("signature", newKey), [...token(), ...signed(oldKey)])).to.equal(
      "signature-wrong",
    );
  });

  it("by the gateway's own token needs no file, where the process began with it; none is not believed from a pin", () => {
    expect(judge(null, pinned("token"), token())).to.equal("header");
    expect(judge(null, pinned("either", newKey), token())).to.equal("header");
    expect(judge(null, pinned("none"), [])).to.equal("token-missing");
    expect(judge(null, null, token())).to.equal("cannot-tell");
    expect(judge(null, null, wrongToken)).to.equal("token-wrong");
  });
});
