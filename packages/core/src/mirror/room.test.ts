import { expect } from "chai";
import { roomFor } from "./room.ts";

const mebibyte = 1024 * 1024;
const bounds = { entries: 100, bytes: null, ageMs: 60_000 };
const none = { entries: 0, bytes: 0, oldestMs: null };
const unlimited = { limit: null, share: null };

describe("the room of the outbox", () => {
  for (const { what, waiting, maxLag = {}, memory = unlimited, body = 10, has } of [
    { what: "takes the first copy", waiting: {}, has: true },
    { what: "takes the last entry that its bound allows", waiting: { entries: 99 }, has: true },
    { what: "is full at its bound of entries", waiting: { entries: 100 }, has: false },
    { what: "goes on while the oldest copy is young", waiting: { entries: 1, oldestMs: 60_000 }, has: true },
    { what: "stops when the oldest copy is too old", waiting: { entries: 1, oldestMs: 60_001 }, has: false },
    { what: "is open below a bound of bytes", waiting: { bytes: 99 }, maxLag: { bytes: 100 }, has: true },
    { what: "is full at a bound of bytes", waiting: { bytes: 100 }, maxLag: { bytes: 100 }, has: false },
    {
      what: "is a fifth of the store's memory by default",
      waiting: { bytes: 18 * mebibyte },
      memory: { limit: 100 * mebibyte, share: 0.3 },
      body: mebibyte,
      has: true,
    },
    {
      what: "refuses what would go beyond the fifth",
      waiting: { bytes: 19 * mebibyte },
      memory: { limit: 100 * mebibyte, share: 0.3 },
      body: mebibyte,
      has: false,
    },
    {
      what: "counts what an entry takes besides its body",
      waiting: { entries: 90 },
      memory: { limit: mebibyte, share: 0.1 },
      has: true,
    },
    {
      what: "refuses small copies too when their records fill the share",
      waiting: { entries: 102 },
      maxLag: { entries: 1000 },
      memory: { limit: mebibyte, share: 0.1 },
      has: false,
    },
    {
      what: "is 1 GiB where the store has no limit",
      waiting: { bytes: 1024 * mebibyte },
      has: false,
    },
    {
      what: "closes before the store's memory is short for processes",
      waiting: {},
      memory: { limit: 100 * mebibyte, share: 0.61 },
      has: false,
    },
    {
      what: "is open while it is not",
      waiting: {},
      memory: { limit: 100 * mebibyte, share: 0.6 },
      has: true,
    },
  ]) {
    it(what, () => {
      expect(roomFor({ ...none, ...waiting }, { ...bounds, ...maxLag }, memory, body)).to.equal(has);
    });
  }
});
