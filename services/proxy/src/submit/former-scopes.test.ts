import { expect } from "chai";
import { createTestWorld, testRoute, testService } from "@sticky-proxy/core/testing";
import { openFormerScopes } from "./former-scopes.ts";

const hour = 3_600_000;

describe("the scopes of before", () => {
  /** @param since when the part entered the scopes, 1 h = the present; null: it never has */
  async function world(since: number | null, over: { deadlineMs?: number | null } = {}) {
    const { policy } = createTestWorld().rules;
    const process = { ...policy, resultTtlMs: hour, resultTtlByClass: {}, deadlineMs: null, ...over };
    const noted: string[] = [];
    let elapsed = 0;
    const scopes = await openFormerScopes(
      [testService({ authentication: "required", routes: [testRoute({ process })] })],
      {
        switches: {
          async note(service, part, isOn) {
            noted.push(`${service} ${part} ${isOn}`);
            return isOn ? since : null;
          },
          now: async () => 10 * hour,
        },
        monotonic: () => elapsed,
      },
    );
    return {
      noted,
      scopes,
      pass: (ms: number): void => void (elapsed += ms),
      holds: () => scopes.mayHold("payments", "principal"),
    };
  }

  it("may hold something until the longest result kept has ended, and the rollout with it", async () => {
    const w = await world(10 * hour);
    expect(w.noted).to.deep.equal(["payments principal true", "payments host false"]);
    expect(w.holds()).to.equal(true);
    expect(w.scopes.mayHold("payments", "host")).to.equal(false);
    expect(w.scopes.mayHold("other", "principal")).to.equal(false);
    w.pass(hour + 599_000);
    expect(w.holds()).to.equal(true);
    w.pass(2_000);
    expect(w.holds()).to.equal(false);
  });

  it("counts from the switch, whenever the node starts, and for as long as work may run before its result", async () => {
    expect((await world(8 * hour)).holds()).to.equal(false);
    expect((await world(8 * hour, { deadlineMs: 2 * hour })).holds()).to.equal(true);
  });

  it("hold nothing of a service that has never had others", async () => {
    expect((await world(0)).holds()).to.equal(false);
    expect((await world(null)).holds()).to.equal(false);
  });
});
