/** Joins the two connections of a tunnel until one of them closes. */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

export interface TunnelSpans {
  /** Without a byte on the client's side. */
  readonly idleMs: number;
  /** Maximum lifetime. */
  readonly lifeMs: number;
}

/**
 * What either side sends goes to the other. When one closes, the other gets what it has not yet read, within the idle
 * time, and is closed then; an error closes both at once.
 */
export function joinSockets(
  client: Duplex & Pick<Socket, "setTimeout">,
  service: Duplex,
  { idleMs, lifeMs }: TunnelSpans,
): void {
  const end = (): void => {
    client.destroy();
    service.destroy();
  };
  let timer = setTimeout(end, lifeMs);
  timer.unref();
  for (const [closed, other] of [
    [client, service],
    [service, client],
  ] as const) {
    closed.on("error", end);
    closed.once("close", () => {
      clearTimeout(timer);
      if (other.destroyed) return;
      // A peer that never reads holds its side, and the service's slot (F2), no longer than an idle one.
      timer = setTimeout(end, idleMs);
      other.end(() => other.destroy());
    });
  }
  client.setTimeout(idleMs, end);
  client.pipe(service);
  service.pipe(client);
}
