import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import { formatMirrorMarker, Problem } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { createLoopGuard, type LoopGuard } from "./loop-guard.ts";

const secret = Buffer.alloc(32, 1);
const now = 1_700_000_000_000;

function head(headers: HeaderList): RequestHead {
  return { method: "POST", path: "/users", query: null, headers };
}

function signed(id: string, hop = 1, by = secret): HeaderList {
  const marker = formatMirrorMarker({ src: "outer", id, hop }, head([]), by, now);
  return [["Sticky-Mirror", marker]];
}

describe("the loop guard", () => {
  let clock: number;
  let guard: LoopGuard;
  beforeEach(() => {
    clock = now;
    guard = createLoopGuard({
      keys: { source: "inner", secrets: [secret, Buffer.alloc(32, 2)] },
      trustedPeers: ["10.0.0.0/8", "2001:db8::1"],
      newId: () => "id",
      marks: (request, id, hop) => [["X-Marks", `${request.path} ${id} ${hop}`]],
      wallClock: () => clock,
    });
  });

  it("takes a signed marker once, from any of its secrets", () => {
    expect(guard.read(head(signed("a")), "1.2.3.4")).to.deep.equal({ hop: 1 });
    expect(guard.read(head(signed("b", 3, Buffer.alloc(32, 2))), "1.2.3.4")).to.deep.equal({ hop: 3 });
    expect(guard.read(head(signed("a")), "1.2.3.4")).to.equal(null);
  });

  it("takes nothing unsigned or signed by others", () => {
    expect(guard.read(head([]), "1.2.3.4")).to.equal(null);
    expect(guard.read(head([["Sticky-Mirror", "v1"]]), "1.2.3.4")).to.equal(null);
    expect(guard.read(head(signed("a", 1, Buffer.alloc(32, 3))), "1.2.3.4")).to.equal(null);
  });

  it("takes x-dual-write-executed from configured peers only", () => {
    const said = head([["X-Dual-Write-Executed", "true"]]);
    expect(guard.read(said, "10.1.2.3")).to.deep.equal({ hop: 1 });
    expect(guard.read(said, "::ffff:10.1.2.3")).to.deep.equal({ hop: 1 });
    expect(guard.read(said, "2001:db8::1")).to.deep.equal({ hop: 1 });
    expect(guard.read(said, "11.1.2.3")).to.equal(null);
    expect(guard.read(head([["X-Dual-Write-Executed", "false"]]), "10.1.2.3")).to.equal(null);
  });

  it("refuses a request that passed too many gateways with 508", () => {
    expect(() => guard.read(head(signed("a", 8)), "1.2.3.4"))
      .to.throw(Problem)
      .with.property("slug", "loop-detected");
  });

  it("marks what goes on with one hop more", () => {
    expect(guard.lines(head([]), { hop: 2 })).to.deep.equal([["X-Marks", "/users id 2"]]);
    expect(guard.lines(head([]), null)).to.deep.equal([["X-Marks", "/users id 0"]]);
  });

  it("forgets ids after their time, so that its memory has a bound", () => {
    expect(guard.read(head(signed("a")), "1.2.3.4")).to.deep.equal({ hop: 1 });
    clock += 700_000;
    const later = formatMirrorMarker({ src: "outer", id: "a", hop: 1 }, head([]), secret, clock);
    expect(guard.read(head([["Sticky-Mirror", later]]), "1.2.3.4")).to.deep.equal({ hop: 1 });
  });
});
