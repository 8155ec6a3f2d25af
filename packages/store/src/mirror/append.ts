/** Appends an intent to its order key's stream and counts it as eligible. */
import { orderKeyPartition, type Outbox } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, replyText, runScript } from "../redis/scripts.ts";
import { counterName } from "./counters.ts";
import { asStore, mirrorKeepMs, type MirrorIo } from "./io.ts";

export const appendScript = defineScript({
  name: "mirror-append",
  file: new URL("./append.lua", import.meta.url),
  keys: ["stream", "state", "load", "counters"],
  args: ["orderKey", "call", "validUntil", "intent", "service", "bytes", "eligible", "keepMs"],
});

/** @throws StoreUnavailable */
export function createAppend({ writes, keys, partitions }: MirrorIo): Outbox["append"] {
  return async function append(intent, { validUntil }) {
    const p = orderKeyPartition(intent.orderKey, partitions);
    const [word] = await asStore(
      runScript(writes, appendScript, {
        keys: {
          stream: keys.intents(p),
          state: keys.keyState(p, intent.orderKey),
          load: keys.load(p),
          counters: keys.counters(p, intent.window),
        },
        args: {
          orderKey: intent.orderKey,
          call: newCall(),
          validUntil: validUntil === null ? "" : Math.ceil(validUntil),
          intent: JSON.stringify(intent),
          service: intent.service,
          bytes: intent.bodyBytes,
          eligible: counterName(intent.service, intent.route, "eligible"),
          keepMs: mirrorKeepMs,
        },
      }),
    );
    return replyText(word) as "appended" | "late";
  };
}
