/** What many clients at once are spared: bodies that say they failed, services that hang, reloads. */
import { expect } from "chai";
import type { UpstreamOutcome } from "@sticky-proxy/upstream";
import { runRounds } from "./rounds.ts";
import { answered, createCacheWorld, storeFresh, unreachable } from "./testing.ts";

const fresh = [["Cache-Control", "max-age=60"]] as const;
const json = [...fresh, ["Content-Type", "application/json"]] as const;

type World = ReturnType<typeof createCacheWorld>;

async function get(w: World, headers: readonly (readonly [string, string])[] = []): Promise<string> {
  const outcome = await runRounds(w.deps, w.request(headers), w.client, true);
  if (outcome.kind !== "response") return outcome.kind;
  const { body } = outcome.reply;
  let text = "";
  if (body instanceof Uint8Array) text = Buffer.from(body).toString();
  else if (body !== null) for await (const chunk of body) text += String(chunk);
  return `${outcome.handling.result} ${text}`;
}

describe("a response whose body says that it failed", () => {
  const failedWhen = { pointer: ["errors"] };
  for (const { what, body, status = 200, headers = json, again } of [
    { what: "is passed on and not stored", body: '{"errors":[{"m":1}]}', again: "MISS second" },
    { what: "is told by anything that stands there", body: '{"errors":"x"}', again: "MISS second" },
    { what: "is none where an empty list stands there", body: '{"errors":[ ]}', again: 'HIT {"errors":[ ]}' },
    { what: "is none where null stands there", body: '{"errors":null}', again: 'HIT {"errors":null}' },
    { what: "is none where nothing stands there", body: '{"data":1}', again: 'HIT {"data":1}' },
    { what: "is none where it is no JSON", body: "errors", headers: fresh, again: "HIT errors" },
    { what: "is asked of a 2xx only", body: '{"errors":1}', status: 404, again: 'HIT {"errors":1}' },
  ]) {
    it(what, async () => {
      const w = createCacheWorld({ failedWhen });
      w.answers.push(answered(status, headers, body), answered(200, json, "second"));
      expect(await get(w)).to.equal(`MISS ${body}`);
      expect(await get(w)).to.equal(again);
    });
  }

  it("that breaks off is a failure, and nothing of it is stored", async () => {
    const w = createCacheWorld({ failedWhen });
    const cut = answered(200, json, "x") as Extract<UpstreamOutcome, { kind: "responded" }>;
    cut.body.on("error", () => undefined).destroy(new Error("cut"));
    w.answers.push(cut, answered(200, json, "whole"));
    expect(await get(w)).to.equal("failed");
    expect(await get(w)).to.equal("MISS whole");
  });
});

describe("a service that gives no answer", () => {
  it("is waited for once: while it is failing, what may be served stale is, and the service is asked behind it", async () => {
    const w = createCacheWorld();
    await storeFresh(w, { staleIfErrorMs: 600_000 });
    w.clock.advance(20_000);
    w.answers.push(unreachable());
    expect(await get(w)).to.equal("STALE stored");
    expect(w.sent).to.have.length(1);
    w.answers.push(answered(304, [["ETag", '"1"'], ...fresh], ""));
    expect(await get(w), "does not wait").to.equal("STALE stored");
    await new Promise(setImmediate);
    expect(w.sent, "asked behind it").to.have.length(2);
    expect(await get(w), "it answers again").to.equal("HIT stored");
  });

  it("is waited for by who may not get anything stale", async () => {
    const w = createCacheWorld();
    await storeFresh(w, { neverStale: true });
    w.clock.advance(20_000);
    w.answers.push(unreachable(), answered(200, fresh, "new"));
    expect(await get(w)).to.equal("failed");
    expect(await get(w)).to.equal("MISS new");
  });
});

describe("a client's reload", () => {
  for (const [clientReload, result] of [
    ["obey", "MISS new"],
    ["ignore", "HIT stored"],
  ] as const)
    for (const asked of ["no-cache", "max-age=0", "min-fresh=60"])
      it(`${asked} is ${clientReload === "obey" ? "obeyed" : "as if it were not there"}`, async () => {
        const w = createCacheWorld({ clientReload });
        await storeFresh(w, { headers: [] });
        w.clock.advance(1000);
        w.answers.push(answered(200, fresh, "new"));
        expect(await get(w, [["Cache-Control", asked]])).to.equal(result);
      });

  it("only-if-cached and no-store count all the same", async () => {
    const w = createCacheWorld({ clientReload: "ignore" });
    expect(await get(w, [["Cache-Control", "no-cache, only-if-cached"]])).to.equal("not-cached");
    expect(await get(w, [["Cache-Control", "no-store"]])).to.equal("bypass");
  });
});
