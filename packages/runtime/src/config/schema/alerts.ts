/** When somebody is told of the mirror's trouble, and where. */
import { fraction, integer, millis, word } from "../formats.ts";
import { mapping } from "../shapes.ts";

export const alerts = mapping({
  webhook: word("The endpoint of `webhooks` that is told.", 63).required(),
  shortMs: millis("Short window of the rates.", 300_000, { min: 1000, max: 3_600_000 }),
  longMs: millis("Long window of the rates and of gaps, by whole hours.", 3_600_000, {
    min: 1000,
    max: 7 * 86_400_000,
  }),
  differenceRate: fraction("Share of compared pairs that differ.", 0.01),
  failureRate: fraction("Share of copies that were given up.", 0.01),
  minCompared: integer("Pairs of a window below which it has no rate.", 20, { min: 1 }),
  lagMs: millis("Age of the oldest copy that waits.", 300_000),
  chainMs: millis("Between two checks of the record of differences.", 600_000, { min: 1000 }),
  repeatMs: millis("What goes on is told again after this.", 14_400_000, { min: 60_000 }),
})
  .allow(null)
  .description(
    "A signed webhook says when differences, failures, lag, gaps, stopped keys or a broken record begin and end; null: none.",
  )
  .default(null);
