/** Removes what a process left in alarms, lists and payloads after its record has gone (expired, or lost by Redis). */
import { defineScript, newCall } from "../redis/scripts.ts";
import type { ProcessIo } from "./io.ts";
import { statuses } from "./lists.ts";
import { memberOf, type Place } from "./place.ts";

export const forgetScript = defineScript({
  name: "forget",
  file: new URL("./forget.lua", import.meta.url),
  keys: ["process", "alarms", "deadLetters", "result", "request", "held"],
  moreKeys: "lists",
  args: ["scope", "call", "member"],
});

/** Nothing happens while the record stands. @throws StoreUnavailable, or the client's error */
export async function forgetProcess({ redis, keys, run }: ProcessIo, place: Place): Promise<void> {
  const { partition: p, scope, epoch } = place;
  const services = await redis.reads.smembers(keys.meta("services"));
  await run(redis.writes, forgetScript, {
    keys: {
      process: keys.process(p, scope, epoch),
      alarms: keys.alarms(p),
      deadLetters: keys.deadLetters(p),
      result: keys.result(p, scope, epoch),
      request: keys.request(p, scope, epoch),
      held: keys.held(p),
    },
    moreKeys: services.flatMap((service) => statuses.map((status) => keys.list(p, service, status))),
    args: { scope, call: newCall(), member: memberOf(place) },
  });
}
