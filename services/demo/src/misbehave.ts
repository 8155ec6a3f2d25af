/**
 * Trouble on request, by query or header: `delayMs`, `status` (answer with it instead), `cut` (break the
 * connection: `before` any work, `silent` after the work and before a byte, `half-way` through the body).
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "koa";
import { DemoError, integerOf } from "./body.ts";

export type Cut = "none" | "before" | "silent" | "half-way";

export interface Trouble {
  readonly delayMs: number;
  /** null: the usual one. */
  readonly status: number | null;
  readonly cut: Cut;
}

/** Reads `?delayMs=&status=&cut=`, or the fields X-Demo-Delay-Ms, X-Demo-Status, X-Demo-Cut. Throws 422. */
export function readTrouble(ctx: Context): Trouble {
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

/** Waits; resolves early and says false when the client has gone. */
export async function delay(ms: number, ctx: Context): Promise<boolean> {
  if (ms > 0) {
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    ctx.res.once("close", onClose);
    await sleep(ms, undefined, { signal: gone.signal }).catch(() => undefined);
    ctx.res.off("close", onClose);
  }
  return !ctx.res.destroyed && !ctx.req.destroyed;
}

/** Answers with `body`, or breaks the connection as asked. */
export function reply(ctx: Context, trouble: Trouble, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  if (trouble.cut === "none") {
    ctx.status = trouble.status ?? status;
    ctx.type = "application/json";
    ctx.body = text;
    return;
  }
  ctx.respond = false;
  if (trouble.cut === "half-way") {
    ctx.res.writeHead(trouble.status ?? status, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
    });
    ctx.res.write(text.slice(0, text.length / 2), () => ctx.res.destroy());
    return;
  }
  ctx.res.destroy();
}
