import { expect } from "chai";
import { startDemo, type Demo } from "./app.ts";

interface User {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly password_hash?: string;
}

const ann = { name: "Ann", email: "Ann@Example.org", password: "correct horse" };

function call(demo: Demo, method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(demo.url + path, body === undefined ? { method } : { method, body: JSON.stringify(body) });
}

describe("demo users", () => {
  let demo: Demo;
  // The least memory that Argon2 allows: its cost is not tested here.
  beforeEach(async () => {
    demo = await startDemo({ port: 0 }, { hashMemoryKib: 8 });
  });
  afterEach(() => demo.close());

  it("a user is created, listed, changed and deleted", async () => {
    const created = await call(demo, "POST", "/users", ann);
    expect(created.status).to.equal(201);
    expect(created.headers.get("location")).to.equal("/users/1");
    expect(await created.json()).to.include({ id: "1", name: "Ann", email: "Ann@Example.org" });
    await call(demo, "PATCH", "/users/1", { name: "Anna" });
    expect(await (await call(demo, "GET", "/users/1")).json()).to.include({ name: "Anna", email: ann.email });
    const { users } = (await (await call(demo, "GET", "/users?limit=10")).json()) as { users: User[] };
    expect(users.map(({ id }) => id)).to.deep.equal(["1"]);
    expect((await call(demo, "PUT", "/users/1", { ...ann, name: "B" })).status).to.equal(200);
    expect((await call(demo, "DELETE", "/users/1")).status).to.equal(204);
    expect((await call(demo, "GET", "/users/1")).status).to.equal(404);
  });

  it("the password is stored as an Argon2id hash, which verifies and is shown on request only", async () => {
    const user = (await (await call(demo, "POST", "/users", ann)).json()) as User;
    expect(user).to.not.have.any.keys("password", "password_hash", "passwordHash");
    const shown = (await (await call(demo, "GET", "/users/1?include=password_hash")).json()) as User;
    expect(shown.password_hash).to.match(/^\$argon2id\$v=19\$m=8,t=2,p=1\$/);
    expect(
      await (await call(demo, "POST", "/users/1/verify", { password: ann.password })).json(),
    ).to.deep.equal({
      valid: true,
    });
    expect(
      await (await call(demo, "POST", "/users/1/verify", { password: "wrong horse" })).json(),
    ).to.deep.equal({
      valid: false,
    });
  });

  it("a user that is not valid is refused with every wrong member", async () => {
    const answer = await call(demo, "POST", "/users", {
      name: "",
      email: "no",
      password: "short",
      admin: true,
    });
    expect(answer.status).to.equal(422);
    const { fields } = (await answer.json()) as { fields: { field: string }[] };
    expect(fields.map(({ field }) => field)).to.deep.equal(["name", "email", "password", "admin"]);
  });

  it("one of two requests at once for the same address is refused", async () => {
    const answers = await Promise.all([call(demo, "POST", "/users", ann), call(demo, "POST", "/users", ann)]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).to.deep.equal([201, 409]);
  });
});

describe("demo users, version 2", () => {
  const created = async (options: { usersVersion: 1 | 2; usersDifference: boolean }): Promise<User> => {
    const demo = await startDemo({ port: 0 }, { ...options, hashMemoryKib: 8 });
    try {
      return (await (await call(demo, "POST", "/users", ann)).json()) as User;
    } finally {
      await demo.close();
    }
  };

  it("version 2 answers like version 1 until the difference is switched on", async () => {
    const old = await created({ usersVersion: 1, usersDifference: true });
    const same = await created({ usersVersion: 2, usersDifference: false });
    const other = await created({ usersVersion: 2, usersDifference: true });
    expect([same.id, same.name, same.email]).to.deep.equal([old.id, old.name, old.email]);
    expect(other.email).to.equal("ann@example.org");
  });
});
