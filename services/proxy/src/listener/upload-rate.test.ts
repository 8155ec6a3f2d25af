import type { IncomingMessage } from "node:http";

import { expect } from "chai";

import { watchUploadRate } from "./upload-rate.ts";

const spans = { graceMs: 5, checkMs: 10 };

/** The part of a request that the rate check reads. */
function upload(): {
  request: IncomingMessage;
  socket: { bytesRead: number };
  state: { complete: boolean; paused: boolean };
} {
  const socket = { bytesRead: 0 };
  const state = { complete: false, paused: false };
  const request = {
    socket,
    destroyed: false,
    get complete() {
      return state.complete;
    },
    isPaused: () => state.paused,
  };
  return { request: request as unknown as IncomingMessage, socket, state };
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe("minimum upload rate", () => {
  it("a client that sends nothing is reported as slow, once", async () => {
    let slow = 0;
    const { request } = upload();
    const slowed = new Promise<void>((resolve) => {
      watchUploadRate(
        request,
        100,
        () => {
          slow += 1;
          resolve();
        },
        spans,
      );
    });
    await slowed;
    await later(40);
    expect(slow).to.equal(1);
  });

  it("a fast upload, a complete one, and one that the service does not read are not reported", async () => {
    let slow = 0;
    const fast = upload();
    const complete = upload();
    complete.state.complete = true;
    const paused = upload();
    paused.state.paused = true;
    const feed = setInterval(() => (fast.socket.bytesRead += 1_000), 1);
    const watches = [fast, complete, paused].map(({ request }) =>
      watchUploadRate(request, 100, () => (slow += 1), spans),
    );
    await later(60);
    clearInterval(feed);
    for (const watch of watches) watch.stop();
    expect(slow).to.equal(0);
  });

  it("without a minimum rate no upload is checked", async () => {
    let slow = 0;
    watchUploadRate(upload().request, 0, () => (slow += 1), spans);
    await later(30);
    expect(slow).to.equal(0);
  });
});
