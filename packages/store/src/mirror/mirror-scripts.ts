/** The mirror's Lua scripts: one file each below scripts/, typed here. */
import { defineScript } from "../redis/scripts.ts";

function file(name: string): URL {
  return new URL(`mirror-${name}.lua`, import.meta.url);
}

export const appendScript = defineScript({
  file: file("append"),
  keys: ["stream", "state", "load", "counters"],
  args: ["orderKey", "call", "validUntil", "intent", "service", "bytes", "eligible", "keepMs"],
});
export const claimScript = defineScript({
  file: file("claim"),
  keys: ["owner"],
  args: ["partition", "call"],
});
export const peekScript = defineScript({
  file: file("peek"),
  keys: ["stream", "parked"],
  args: ["partition", "call", "after", "limit"],
});
export const settleScript = defineScript({
  file: file("settle"),
  keys: ["owner", "settled", "counters", "state", "records", "byTime", "byEnd", "sums"],
  args: [
    "entryId",
    "call",
    "fence",
    "counter",
    "outcome",
    "count",
    "diverged",
    "endedAt",
    "record",
    "groups",
    "ttlMs",
    "most",
    "keepMs",
  ],
});
export const ackScript = defineScript({
  file: file("ack"),
  keys: ["owner", "stream", "settled", "state", "list", "parked", "since", "load"],
  args: ["entryId", "call", "fence", "member", "service", "bytes", "keepMs"],
});
export const parkScript = defineScript({
  file: file("park"),
  keys: ["owner", "stream", "list", "state", "parked", "since", "load"],
  args: ["orderKey", "call", "fence", "member", "service", "reason", "inMs", "error", "attempts"],
  moreArgs: "entries",
});
export const unparkScript = defineScript({
  file: file("unpark"),
  keys: ["state", "parked"],
  args: ["orderKey", "call"],
});
export const gapScript = defineScript({
  file: file("gap"),
  keys: ["gaps", "counters"],
  args: ["service", "call", "gap", "eligible", "skipped", "count", "keepMs"],
});
export const tidyScript = defineScript({
  file: file("tidy"),
  keys: ["records", "byTime", "byEnd"],
  args: ["partition", "call"],
});
export const acknowledgeScript = defineScript({
  file: file("acknowledge"),
  keys: ["records"],
  args: ["member", "call", "note"],
});
export const lagScript = defineScript({
  file: file("lag"),
  keys: ["stream", "load", "since"],
  args: ["partition", "call"],
});

/** For loading ahead of the first call. */
export const mirrorScripts = [
  appendScript,
  claimScript,
  peekScript,
  settleScript,
  ackScript,
  parkScript,
  unparkScript,
  gapScript,
  tidyScript,
  acknowledgeScript,
  lagScript,
];
