/** The stored request of a process, wherever its record stands meanwhile. */
import type { ProcessStore } from "@sticky-proxy/core/process";
import { guarded, type ProcessIo } from "./io.ts";
import { decodeRequest } from "./payload.ts";

/** null: it was dropped, or it lacks credentials and the caller needs them. @throws StoreUnavailable */
export function readRequest({ redis, keys, sealing }: ProcessIo): ProcessStore["readRequest"] {
  return (record, options) =>
    guarded("read-request", async () => {
      const { partition: p, scope, epoch, requestPayload } = record;
      const found = await redis.reads.mgetBuffer(keys.request(p, scope, null), keys.request(p, scope, epoch));
      for (const payload of found) {
        const request = decodeRequest(sealing, record, payload, requestPayload);
        if (request === null) continue;
        return request.lacksCredentials && options?.mayLackCredentials !== true ? null : request;
      }
      return null;
    });
}
