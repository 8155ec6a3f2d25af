import { expect } from "chai";
import {
  createDescriptorWatch,
  descriptorLimit,
  fittingConnections,
  openDescriptors,
} from "./descriptors.ts";

/** A system with so many free descriptors. */
function watchOf(free: number, isBoundByLimit = true) {
  const lines: string[] = [];
  const system = { free, now: 0 };
  const note = (event: string, fields?: Readonly<Record<string, unknown>>) =>
    void lines.push(
      fields?.["connections"] === undefined ? event : `${event} ${String(fields["connections"] as number)}`,
    );
  const watch = createDescriptorWatch({
    log: { warn: note, error: note },
    monotonic: () => system.now,
    accepted: 100,
    isBoundByLimit,
    limit: 1000,
    open() {
      if (system.free === 0) throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
      return (system.free -= 1);
    },
    shut: () => void (system.free += 1),
  });
  return { watch, system, lines };
}

describe("file descriptors", () => {
  it("leave room for two of each client, and a reserve", () => {
    expect(fittingConnections(10_000, null, 44)).to.equal(10_000);
    expect(fittingConnections(0, null, 44)).to.equal(0);
    expect(fittingConnections(10_000, 1_048_576, 44)).to.equal(10_000);
    expect(fittingConnections(10_000, 1024, 44)).to.equal(450);
    expect(fittingConnections(0, 1024, 44)).to.equal(450);
    expect(fittingConnections(10, 1024, 44)).to.equal(10);
    expect(fittingConnections(10_000, 20, 44)).to.equal(1);
  });

  it("have a limit and a number that the system tells", () => {
    expect(descriptorLimit() ?? 1).to.be.greaterThan(0);
    expect(openDescriptors()).to.be.greaterThan(2);
  });

  it("of which none is left free the reserve, are told once a window, and are held again afterwards", () => {
    const { watch, system, lines } = watchOf(20);
    watch.look();
    expect([system.free, lines]).to.deep.equal([4, []]);
    system.free = 0;
    watch.look();
    expect([system.free, lines]).to.deep.equal([16, ["descriptors.used-up"]]);
    system.free = 0; // others took what was given up
    watch.look();
    system.now += 9_999;
    watch.look();
    expect(lines).to.have.length(1);
    system.now += 1;
    watch.look();
    expect(lines).to.have.length(2);
    system.free = 17;
    watch.look();
    expect(system.free).to.equal(1);
    watch.close();
    expect(system.free).to.equal(17);
  });

  for (const { isBoundByLimit, event } of [
    { isBoundByLimit: true, event: "descriptors.connections-dropped" },
    { isBoundByLimit: false, event: "listener.connections-dropped" },
  ]) {
    it(`${event}: once a window, with how many there were`, () => {
      const { watch, system, lines } = watchOf(100, isBoundByLimit);
      for (let i = 0; i < 5; i += 1) watch.dropped();
      expect(lines).to.deep.equal([`${event} 1`]);
      system.now += 10_000;
      watch.look();
      expect(lines).to.deep.equal([`${event} 1`, `${event} 4`]);
      system.now += 10_000;
      watch.look();
      expect(lines).to.have.length(2);
    });
  }
});
