/** Payments must not run twice. This service does not deduplicate: it counts executions, so that a second one shows. */
import Router from "@koa/router";
import { DemoError, integerOf, keyOf, readObject } from "./body.ts";
import { CappedMap } from "./capped-map.ts";
import { delay, readFaults, reply } from "./misbehave.ts";

interface Charge {
  readonly id: string;
  readonly amount: number;
  /** The Idempotency-Key; "" when there was none. */
  readonly key: string;
  readonly fence: string | null;
}

/** POST /charges {amount}, GET /charges, GET /charges/:id, DELETE /charges. */
export function payments(): Router {
  const charges = new CappedMap<string, Charge>();
  const executions = new CappedMap<string, number>();
  let last = 0;
  const router = new Router();

  router.post("/charges", async (ctx) => {
    const faults = readFaults(ctx);
    if (faults.cut === "before") return reply(ctx, faults, 201, {});
    const body = await readObject(ctx);
    if (body.amount === undefined) throw new DemoError(422, "amount is required");
    const amount = integerOf(body.amount, "amount", { min: 1, max: 1e12, initial: 0 });
    await delay(faults.delayMs, ctx);
    if (faults.status !== null && faults.status >= 400)
      return reply(ctx, faults, faults.status, { error: "as you asked" });
    const key = keyOf(ctx);
    const count = (executions.get(key) ?? 0) + 1;
    if (key !== "") executions.set(key, count);
    last += 1;
    const charge: Charge = { id: `ch_${last}`, amount, key, fence: ctx.get("sticky-fence") || null };
    charges.set(charge.id, charge);
    ctx.set("Location", `/charges/${charge.id}`);
    reply(ctx, faults, 201, { ...charge, executions: key === "" ? 1 : count });
  });

  router.get("/charges", (ctx) => {
    const [key] = [ctx.query.key].flat();
    const all = [...charges.values()].filter((charge) => key === undefined || charge.key === key);
    ctx.body = { count: all.length, executions: Object.fromEntries(executions), charges: all.slice(-1000) };
  });

  router.get("/charges/:id", (ctx) => {
    const charge = charges.get(ctx.params.id ?? "");
    if (charge === undefined) throw new DemoError(404, "there is no such charge");
    ctx.body = charge;
  });

  router.delete("/charges", (ctx) => {
    charges.clear();
    executions.clear();
    ctx.status = 204;
  });
  return router;
}
