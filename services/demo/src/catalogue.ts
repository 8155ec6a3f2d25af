/** Cacheable resources with validators and tags, one with no-store, and a slow one. */
import { createHash } from "node:crypto";
import Router from "@koa/router";
import { entityTags, formatHttpDate, isSameTag, parseHttpDate } from "@sticky-proxy/protocol/http";
import type { Context } from "koa";
import { DemoError, integerOf, readObject } from "./body.ts";
import { CappedMap } from "./capped-map.ts";
import { delay, readFaults } from "./misbehave.ts";

interface Product {
  readonly id: string;
  readonly name: string;
  readonly price: number;
  readonly changedAt: number;
}

/** Every response counts the requests of its path (`X-Demo-Executions`), so that a cache hit shows: it does not count. */
export function catalogue(startedAt: number): Router {
  const products = new CappedMap<string, Product>(1000);
  const requests = new CappedMap<string, number>();
  for (const [id, name, price] of [
    ["1", "Lamp", 3900],
    ["2", "Chair", 12_900],
    ["3", "Table", 24_900],
  ] as const)
    products.set(id, { id, name, price, changedAt: startedAt });
  const router = new Router();

  router.get("/products", (ctx) => {
    const all = [...products.values()];
    const changedAt = Math.max(startedAt, ...all.map((product) => product.changedAt));
    answer(ctx, all.map(view), changedAt, ["products"]);
  });

  router.get("/products/:id", (ctx) => {
    const product = find(ctx);
    answer(ctx, view(product), product.changedAt, ["products", `product-${product.id}`]);
  });

  router.put("/products/:id", async (ctx) => {
    const id = ctx.params.id ?? "";
    if (!/^[a-z0-9-]{1,40}$/.test(id))
      throw new DemoError(422, "the id must be 1 to 40 small letters, digits, dashes");
    const body = await readObject(ctx);
    if (typeof body.name !== "string" || body.name === "") throw new DemoError(422, "name is required");
    const price = integerOf(body.price, "price", { max: 1e9, initial: 0 });
    const product: Product = { id, name: body.name.slice(0, 200), price, changedAt: Date.now() };
    products.set(id, product);
    ctx.body = view(product);
  });

  router.get("/stock/:id", (ctx) => {
    const executions = count(ctx);
    ctx.set("Cache-Control", "no-store");
    ctx.body = { id: find(ctx).id, pieces: 100 - (executions % 100) };
  });

  router.get("/slow", async (ctx) => {
    const { delayMs } = readFaults(ctx);
    count(ctx);
    await delay(delayMs === 0 ? 500 : delayMs, ctx);
    ctx.set("Cache-Control", `max-age=${maxAge(ctx)}`);
    ctx.body = { slow: true };
  });

  function find(ctx: Context & { params: Record<string, string | undefined> }): Product {
    const product = products.get(ctx.params.id ?? "");
    if (product === undefined) throw new DemoError(404, "there is no such product");
    return product;
  }

  function count(ctx: Context): number {
    const executions = (requests.get(ctx.path) ?? 0) + 1;
    requests.set(ctx.path, executions);
    ctx.set("X-Demo-Executions", String(executions));
    return executions;
  }

  /** 200 with validators, or 304. */
  function answer(ctx: Context, value: unknown, changedAt: number, tags: readonly string[]): void {
    count(ctx);
    const body = JSON.stringify(value);
    ctx.status = 200;
    ctx.type = "application/json";
    ctx.body = body;
    ctx.set("ETag", `"${createHash("sha256").update(body).digest("base64url").slice(0, 16)}"`);
    ctx.set("Last-Modified", formatHttpDate(changedAt));
    ctx.set("Cache-Control", `public, max-age=${maxAge(ctx)}`);
    ctx.set("Surrogate-Key", tags.join(" "));
    if (isUnchanged(ctx, changedAt)) ctx.status = 304;
  }
  return router;
}

/**
 * RFC 9110 13.2.2: If-Modified-Since is ignored where If-None-Match is present. Koa's `ctx.fresh` is not used: it is
 * false for every request with no-cache, which a cache sends when it validates.
 */
function isUnchanged(ctx: Context, changedAt: number): boolean {
  const etags = ctx.get("if-none-match");
  if (etags !== "") {
    const known = entityTags(etags);
    return known.includes("*") || known.some((etag) => isSameTag(etag, ctx.response.get("etag")));
  }
  const since = parseHttpDate(ctx.get("if-modified-since"), Date.now());
  return since !== null && Math.floor(changedAt / 1000) * 1000 <= since;
}

function maxAge(ctx: Context): number {
  const [asked] = [ctx.query.maxAge].flat();
  return integerOf(asked, "maxAge", { max: 86_400, initial: 60 });
}

function view({ id, name, price }: Product): object {
  return { id, name, price };
}
