import { expect } from "chai";
import { bucketStart, ranges, rings, windowOf } from "./rings.ts";
import { latencyBoundsMs, type Bucket } from "./counters.ts";
import { seriesOf } from "./view.ts";

const bucket = (values: Readonly<Record<string, number>>): Bucket => new Map(Object.entries(values));
const now = Date.UTC(2026, 0, 2, 3, 4, 25);

describe("the window of a range", () => {
  for (const range of ranges)
    it(`${range}: at most 90 points, whole steps, and every bucket is still kept`, () => {
      const { ring, stepMs, from, points, lastMs } = windowOf(range, now);
      expect(points.length).to.be.within(60, 90);
      expect(from % stepMs).to.equal(0);
      const starts = points.flat();
      expect(starts.every((start) => start % ring.stepMs === 0)).to.equal(true);
      expect(starts).to.deep.equal([...starts].sort((a, b) => a - b));
      expect(now - starts[0]!).to.be.at.most(ring.spanMs + ring.stepMs);
      expect(lastMs).to.be.within(1, stepMs);
    });

  it("ends with what every node has written: a bucket that ended a second ago is not asked for", () => {
    const at = bucketStart(now, 10_000);
    expect(windowOf("15m", at + 1000).points.at(-1)).to.deep.equal([at - 20_000]);
    expect(windowOf("15m", at + 2000).points.at(-1)).to.deep.equal([at - 10_000]);
  });

  it("an incomplete last point says how much of it there is", () => {
    const at = Date.UTC(2026, 0, 2, 3, 5, 0);
    expect(windowOf("6h", at + 72_500).lastMs).to.equal(70_000);
    expect(windowOf("6h", at + 2000).lastMs, "just begun: the one before is whole").to.equal(300_000);
  });

  it("steps of rings divide each other", () => {
    for (const [i, { stepMs }] of rings.entries())
      if (i > 0) expect(stepMs % rings[i - 1]!.stepMs).to.equal(0);
  });
});

describe("series", () => {
  it("no data is null and not zero; a bucket in which nothing happened is zero", () => {
    const { series, totals } = seriesOf([[null], [bucket({})], [bucket({ "http:2xx": 3 })]]);
    expect(series.requests).to.deep.equal([null, 0, 3]);
    expect(series["latency.p95"]).to.deep.equal([null, null, null]);
    expect(series["mirror.lag"]).to.deep.equal([null, null, null]);
    expect(totals.requests).to.equal(3);
    expect(seriesOf([[null], [null]]).totals.requests).to.equal(null);
  });

  it("a point of several buckets adds counts and keeps the greatest gauge", () => {
    const point = [
      bucket({ "http:5xx": 2, "g.lag": 900 }),
      null,
      bucket({ "http:5xx": 1, "http:4xx": 4, "g.lag": 20 }),
    ];
    const { series } = seriesOf([point]);
    expect(series["errors.server"]).to.deep.equal([3]);
    expect(series["errors.client"]).to.deep.equal([4]);
    expect(series["mirror.lag"]).to.deep.equal([900]);
  });

  it("requests are split without a rest, and what is plain is never less than nothing", () => {
    const { series } = seriesOf([
      [
        bucket({
          "http:2xx": 20,
          "http:4xx": 1,
          "v.start": 5,
          "v.replay": 3,
          "v.join": 1,
          "c.HIT": 4,
          "v.mismatch": 1,
        }),
      ],
      [bucket({ "v.start": 5 })],
    ]);
    expect(series["requests.run"]).to.deep.equal([5, 5]);
    expect(series["requests.saved"]).to.deep.equal([4, 0]);
    expect(series["requests.cache"]).to.deep.equal([4, 0]);
    expect(series["requests.refused"]).to.deep.equal([1, 0]);
    expect(series["requests.plain"]).to.deep.equal([7, 0]);
  });

  it("times are interpolated within their bucket, over all points for the total", () => {
    const fast = bucket({ s0: 90, s3: 10 });
    const slow = bucket({ [`s${latencyBoundsMs.length}`]: 1 });
    const { series, totals } = seriesOf([[fast], [slow]]);
    expect(series["service.p50"]).to.deep.equal([2.8, 10_000]);
    expect(series["service.p95"]).to.deep.equal([37.5, 10_000]);
    expect(totals["service.p50"]).to.equal(2.8);
    expect(series["latency.p50"], "the clients' times are their own").to.deep.equal([null, null]);
  });

  it("only the names that are asked for", () => {
    expect(seriesOf([[bucket({})]], ["requests"]).series).to.deep.equal({ requests: [0] });
  });
});
