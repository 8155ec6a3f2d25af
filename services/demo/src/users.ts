/**
 * Users, in an old backend (version 1) and its successor (version 2). Both answer the same; with `usersDifference`
 * version 2 stores e-mail addresses in lower case, a difference for the mirror to find.
 * Ids count from 1, so two backends that got the same requests have the same users.
 * Passwords are stored as Argon2id hashes; `?include=password_hash` shows one, and it is never equal on two backends.
 */
import { randomBytes } from "node:crypto";
import Router from "@koa/router";
import { argon2id, argon2Verify } from "hash-wasm";
import type { Context } from "koa";
import { DemoError, integerOf, readObject, type Members } from "./body.ts";
import type { DemoOptions } from "./instance.ts";

interface User {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly passwordHash: string;
  readonly created_at: string;
  readonly updated_at: string;
}

const maxUsers = 10_000;

/** POST, GET /users; GET, PUT, PATCH, DELETE /users/:id; POST /users/:id/verify {password}. */
export function users({ usersVersion, usersDifference, hashMemoryKib }: DemoOptions): Router {
  const byId = new Map<string, User>();
  let last = 0;
  const normal = (email: string): string =>
    usersVersion === 2 && usersDifference ? email.toLowerCase() : email;
  const hash = (password: string): Promise<string> =>
    argon2id({
      password,
      salt: randomBytes(16),
      iterations: 2,
      parallelism: 1,
      memorySize: hashMemoryKib,
      hashLength: 32,
      outputType: "encoded",
    });
  const router = new Router();

  router.post("/users", async (ctx) => {
    const { name, email, password } = readUser(await readObject(ctx), "all");
    if (byId.size >= maxUsers) throw new DemoError(507, "this demo keeps no more users");
    refuseTaken(normal(email), null);
    const passwordHash = await hash(password);
    // Another request may have taken the address while the password was hashed.
    refuseTaken(normal(email), null);
    const now = new Date().toISOString();
    const user: User = {
      id: String((last += 1)),
      name,
      email: normal(email),
      passwordHash,
      created_at: now,
      updated_at: now,
    };
    byId.set(user.id, user);
    ctx.status = 201;
    ctx.set("Location", `/users/${user.id}`);
    ctx.body = view(ctx, user);
  });

  router.get("/users", (ctx) => {
    const [asked] = [ctx.query.limit].flat();
    const [after] = [ctx.query.after].flat();
    const limit = integerOf(asked, "limit", { min: 1, max: 1000, initial: 100 });
    const all = [...byId.values()].filter(({ id }) => after === undefined || Number(id) > Number(after));
    ctx.body = { users: all.slice(0, limit).map((user) => view(ctx, user)) };
  });

  router.get("/users/:id", (ctx) => {
    ctx.body = view(ctx, find(ctx.params.id));
  });

  router.put("/users/:id", async (ctx) => {
    await change(ctx, ctx.params.id, "all");
  });

  router.patch("/users/:id", async (ctx) => {
    await change(ctx, ctx.params.id, "some");
  });

  router.delete("/users/:id", (ctx) => {
    byId.delete(find(ctx.params.id).id);
    ctx.status = 204;
  });

  router.post("/users/:id/verify", async (ctx) => {
    const { password } = await readObject(ctx);
    const user = find(ctx.params.id);
    if (typeof password !== "string") throw new DemoError(422, "password is required");
    ctx.body = { valid: await argon2Verify({ password, hash: user.passwordHash }) };
  });

  async function change(ctx: Context, id: string | undefined, members: "all" | "some"): Promise<void> {
    const given = readUser(await readObject(ctx), members);
    find(id);
    const passwordHash = given.password === undefined ? undefined : await hash(given.password);
    const user = find(id);
    const email = given.email === undefined ? user.email : normal(given.email);
    refuseTaken(email, user.id);
    const changed: User = {
      ...user,
      name: given.name ?? user.name,
      email,
      passwordHash: passwordHash ?? user.passwordHash,
      updated_at: new Date().toISOString(),
    };
    byId.set(user.id, changed);
    ctx.body = view(ctx, changed);
  }

  function find(id: string | undefined): User {
    const user = byId.get(id ?? "");
    if (user === undefined) throw new DemoError(404, "there is no such user");
    return user;
  }

  function refuseTaken(email: string, except: string | null): void {
    for (const user of byId.values())
      if (user.email === email && user.id !== except) throw new DemoError(409, "the e-mail address is taken");
  }
  return router;
}

function view(ctx: Context, { passwordHash, ...user }: User): object {
  return ctx.query.include === "password_hash" ? { ...user, password_hash: passwordHash } : user;
}

interface UserFields {
  name: string;
  email: string;
  password: string;
}

/** @throws DemoError 422 that names every wrong member */
function readUser(body: Members, members: "all"): UserFields;
function readUser(body: Members, members: "all" | "some"): Partial<UserFields>;
function readUser(body: Members, members: "all" | "some"): Partial<UserFields> {
  const errors: { field: string; message: string }[] = [];
  const read = (field: keyof UserFields, isGood: (text: string) => boolean, message: string): void => {
    const value = body[field];
    if (value === undefined && members === "some") return;
    if (typeof value === "string" && isGood(value)) given[field] = value;
    else errors.push({ field, message });
  };
  const given: Partial<UserFields> = {};
  read("name", (text) => text.trim() !== "" && text.length <= 100, "must be a text of 1 to 100 characters");
  read("email", (text) => text.length <= 254 && /^[^\s@]+@[^\s@]+$/.test(text), "must be an e-mail address");
  read("password", (text) => text.length >= 8 && text.length <= 128, "must be a text of 8 to 128 characters");
  for (const name of Object.keys(body))
    if (name !== "name" && name !== "email" && name !== "password")
      errors.push({ field: name, message: "is not known" });
  if (errors.length > 0) throw new DemoError(422, "the user is not valid", { fields: errors });
  return given;
}
