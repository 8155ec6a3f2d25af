/** What one caller may use: its principal, or an unproved one's address. */
import { bytes, integer } from "../formats.ts";
import { mapping } from "../shapes.ts";

const rate = (about: string) => integer(about, null, { min: 1, max: 1_000_000 });

export const budgets = mapping({
  requests: mapping({
    perPrincipal: rate("Requests a second of one proved principal; null: any number."),
    perAddress: rate(
      "Requests a second of one address whose callers have proved nothing, refused credentials included; null: any number.",
    ),
    windowSeconds: integer(
      "They are counted over windows of so many seconds, so that a burst may be as large as a window's requests.",
      1,
      { min: 1, max: 3600 },
    ),
  })
    .description("How many requests one caller may send to services and to the process API.")
    .default(),
  storedBytes: bytes(
    "Requests and results that one caller may have stored; null: a share of the memory alone.",
    null,
  ),
  storedProcesses: integer(
    "Processes that one caller may have stored; null: a share of the memory alone.",
    null,
    {
      min: 1,
    },
  ),
});
