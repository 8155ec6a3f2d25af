/** The outbox port on Redis: streams per partition, one script per operation, put together here. */
import type { Outbox } from "@sticky-proxy/core/mirror";
import { createAck } from "./ack.ts";
import { createAppend } from "./append.ts";
import { createClaim } from "./claim.ts";
import { createGaps, createNoteGap } from "./gap.ts";
import type { MirrorIo, SealedStoreDeps } from "./io.ts";
import { createMirrorKeys } from "./keys.ts";
import { createLag } from "./lag.ts";
import { createOrderKeys } from "./order-keys.ts";
import { createPark } from "./park.ts";
import { createPeek } from "./peek.ts";
import { createSettle } from "./settle.ts";
import { createSkip } from "./skip.ts";
import { createTidy } from "./tidy.ts";
import { createUnpark } from "./unpark.ts";

/** @throws StoreUnavailable from every method. */
export function createMirrorOutbox(deps: SealedStoreDeps): Outbox {
  const io: MirrorIo = { ...deps, keys: createMirrorKeys(deps.keys) };
  return {
    partitions: deps.partitions,
    append: createAppend(io),
    noteGap: createNoteGap(io),
    gaps: createGaps(io),
    claim: createClaim(io),
    peek: createPeek(io),
    settle: createSettle(io, deps.sealing),
    ack: createAck(io),
    park: createPark(io),
    unpark: createUnpark(io),
    skip: createSkip(io),
    lag: createLag(io),
    tidy: createTidy(io),
    ...createOrderKeys(io),
  };
}
