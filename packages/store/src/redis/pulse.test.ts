import { expect } from "chai";
import { createPulse } from "./pulse.ts";

function world() {
  const socket = { bytesRead: 0, destroyed: false, destroy: () => void (socket.destroyed = true) };
  const deferred: (() => void)[] = [];
  const dead: number[] = [];
  let now = 0;
  let asked = 0;
  const pulse = createPulse({
    silenceMs: 900,
    monotonic: () => now,
    afterReading: (check) => void deferred.push(check),
    onDead: (ms) => void dead.push(ms),
  });
  return {
    socket,
    dead,
    asked: () => asked,
    look(isReady = true) {
      now += 300;
      pulse.look({ socket: socket as never, isReady, ask: () => void (asked += 1) });
    },
    readPhase: () => deferred.splice(0).forEach((check) => check()),
  };
}

describe("the pulse of a connection", () => {
  it("asks a quiet one once, and ends it when nothing comes in for a whole command's time", () => {
    const { look, readPhase, socket, asked, dead } = world();
    for (let i = 0; i < 4; i += 1) look();
    expect([asked(), socket.destroyed]).to.deep.equal([1, false]);
    look();
    readPhase();
    expect([asked(), socket.destroyed, dead]).to.deep.equal([1, true, [900]]);
  });

  it("asks again after each answer, and never while bytes come in by themselves", () => {
    const { look, readPhase, socket, asked } = world();
    for (let i = 0; i < 20; i += 1) {
      look();
      if (i % 3 === 2) socket.bytesRead += 7;
    }
    readPhase();
    expect([asked() > 3, socket.destroyed]).to.deep.equal([true, false]);
    const before = asked();
    for (let i = 0; i < 20; i += 1) {
      socket.bytesRead += 1;
      look();
    }
    expect(asked()).to.equal(before);
  });

  it("believes an answer that had come while this process was busy", () => {
    const { look, readPhase, socket } = world();
    for (let i = 0; i < 6; i += 1) look();
    socket.bytesRead += 7; // read in the phase after the timers
    readPhase();
    expect(socket.destroyed).to.equal(false);
  });

  it("ends one that falls silent while it is being set up, without asking it", () => {
    const { look, readPhase, socket, asked } = world();
    for (let i = 0; i < 4; i += 1) look(false);
    readPhase();
    expect([asked(), socket.destroyed]).to.deep.equal([0, true]);
  });
});
