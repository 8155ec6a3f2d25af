/** What one caller may use: its principal, or an unproved one's address. */
import { bytes, integer } from "../formats.ts";
import { mapping } from "../shapes.ts";

export const budgets = mapping({
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
