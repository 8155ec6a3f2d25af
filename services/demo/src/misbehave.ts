/**
 * Faults on request, by query or header: `delayMs`; `status`, the status of the response; `cut`, where the connection
 * is closed: `before` any work, `silent` after the work and before the first byte, `half-way` through the body.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "koa";
import { DemoError, integerOf } from "./body.ts";

export type Cut = "none" | "before" | "silent" | "half-way";

export interface Faults {
  readonly delayMs: number;
  /** null: that of the route. */
  readonly status: number | null;
  readonly cut: Cut;
}

/** Reads `?delayMs=&status=&cut=`, or the fields X-Demo-Delay-Ms, X-Demo-Status, X-Demo-Cut. @throws DemoError 422 */
export function readFaults(ctx: Context): Faults {
  const ask = (parameter: string, field: string): string | undefined => {
    const [value] = [ctx.query[parameter]].flat();
    return value ?? (ctx.get(field) || undefined);
  };
  const status = integerOf(ask("status", "x-demo-status"), "status", { min: 200, max: 599, initial: 0 });
  const cut = ask("cut", "x-demo-cut") ?? "none";
  if (cut !== "none" && cut !== "before" && cut !== "silent" && cut !== "half-way")
    throw new DemoError(422, "cut must be before, silent or half-way");
  const delayMs = integerOf(ask("delayMs", "x-demo-delay-ms"), "delayMs", { max: 600_000, initial: 0 });
  return { delayMs, status: status === 0 ? null : status, cut };
}

/** Waits; resolves early, to false, when the client has closed the connection. */
export async function delay(ms: number, ctx: Context): Promise<boolean> {
  if (ms > 0) {
    const closed = new AbortController();
    const onClose = (): void => closed.abort();
    ctx.res.once("close", onClose);
    await sleep(ms, undefined, { signal: closed.signal }).catch(() => undefined);
    ctx.res.off("close", onClose);
  }
  return !ctx.res.destroyed && !ctx.req.destroyed;
}

/** Answers with `body`, or closes the connection where `faults.cut` says. */
export function reply(ctx: Context, faults: Faults, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  if (faults.cut === "none") {
    ctx.status = faults.status ?? status;
    ctx.type = "application/json";
    ctx.body = text;
    return;
  }
  ctx.respond = false;
  if (faults.cut === "half-way") {
    ctx.res.writeHead(faults.status ?? status, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
    });
    ctx.res.write(text.slice(0, text.length / 2), () => ctx.res.destroy());
    return;
  }
  ctx.res.destroy();
}
