import { startDemo, type Demo } from "@sticky-proxy/demo";
import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startMirrored, type Mirrored } from "./mirrored.ts";

interface User {
  readonly id: string;
  readonly email: string;
  readonly password_hash?: string;
}

const json = { "content-type": "application/json" };

describeWithRedis("users in an old and a new backend (the README's walk-through)", function () {
  this.timeout(60_000);
  let v1: Demo;
  let v2: Demo;
  let mirrored: Mirrored | null = null;

  async function start(usersDifference: boolean): Promise<void> {
    const options = { hashMemoryKib: 64, usersDifference };
    v1 = await startDemo({ port: 0 }, { ...options, name: "v1", usersVersion: 1 });
    v2 = await startDemo({ port: 0 }, { ...options, name: "v2", usersVersion: 2 });
    const ignore = ["/created_at", "/updated_at", "/users/*/created_at", "/users/*/updated_at"];
    const rules = [
      { at: "/password_hash", kind: "format", format: "hash" },
      { at: "/users/*/password_hash", kind: "format", format: "hash" },
    ];
    // A new user's id is in no request: creating and changing keep their order only under one key.
    const orderKey = { path: "/users" };
    mirrored = await startMirrored({
      primary: v1.url,
      secondary: v2.url,
      routes: [
        {
          match: { methods: ["POST", "PUT", "PATCH", "DELETE"] },
          mirror: { to: "users-v2", mode: "dual-write", orderKey, compare: { ignore, rules } },
        },
        {
          match: { methods: ["GET"] },
          mirror: { to: "users-v2", mode: "dual-read", orderKey, compare: { ignore, rules } },
        },
      ],
    });
  }
  afterEach(async () => {
    await mirrored?.stop();
    mirrored = null;
    await v1.close();
    await v2.close();
  });

  const create = (name: string): Promise<Response> =>
    fetch(`${mirrored!.cluster.url()}/users`, {
      method: "POST",
      headers: json,
      body: JSON.stringify({ name, email: `${name}@Example.com`, password: "correct horse" }),
    });
  const read = async (url: string): Promise<User> => (await (await fetch(url)).json()) as User;

  it("a user created once is in both, with hashes that are masked and not called equal", async () => {
    await start(false);
    const answer = await create("Ann");
    expect(answer.status).to.equal(201);
    expect(answer.headers.get("x-demo-instance")).to.equal("v1");
    await mirrored!.drained();

    const [old, successor] = await Promise.all([
      read(`${v1.url}/users/1?include=password_hash`),
      read(`${v2.url}/users/1?include=password_hash`),
    ]);
    expect(old.email).to.equal("Ann@Example.com");
    expect(successor.email).to.equal(old.email);
    expect(successor.password_hash)
      .to.match(/^\$argon2id\$/)
      .and.not.equal(old.password_hash);
    const verified = await fetch(`${v2.url}/users/1/verify`, {
      method: "POST",
      headers: json,
      body: JSON.stringify({ password: "correct horse" }),
    });
    expect(await verified.json()).to.deep.equal({ valid: true });

    const through = await fetch(`${mirrored!.cluster.url()}/users/1?include=password_hash`);
    expect(through.headers.get("x-demo-instance")).to.equal("v1");
    await mirrored!.drained(2);
    const coverage = await mirrored!.coverage();
    expect(coverage).to.include({ eligible: 2, masked: 2, different: 0, failed: 0 });
  });

  it("create, change and delete arrive in order; what was refused is not sent", async () => {
    await start(false);
    const url = mirrored!.cluster.url();
    await create("Bob");
    const refused = await fetch(`${url}/users`, { method: "POST", headers: json, body: '{"name":"x"}' });
    expect(refused.status).to.equal(422);
    const changed = await fetch(`${url}/users/1`, {
      method: "PATCH",
      headers: json,
      body: '{"name":"Robert"}',
    });
    expect(changed.status, await changed.text()).to.equal(200);
    await create("Eve");
    expect((await fetch(`${url}/users/2`, { method: "DELETE" })).status).to.equal(204);
    await mirrored!.drained(5);
    for (const backend of [v1, v2]) {
      const { users } = (await (await fetch(`${backend.url}/users`)).json()) as {
        users: (User & { name: string })[];
      };
      expect(users.map(({ name }) => name)).to.deep.equal(["Robert"]);
    }
    const coverage = await mirrored!.coverage();
    expect(coverage.eligible).to.equal(5);
    expect(coverage.skipped.get("not-applicable")).to.equal(1);
    expect(coverage.different + coverage.failed).to.equal(0);
  });

  it("the introduced difference is found by its path, in writes and in reads", async () => {
    await start(true);
    await create("Ann");
    await mirrored!.drained();
    await (await fetch(`${mirrored!.cluster.url()}/users/1`)).text();
    await mirrored!.drained(2);
    const groups = await mirrored!.differences.groups({ since: null });
    expect(groups.map((group) => `${group.class} ${group.path}`)).to.deep.equal([
      "body /email",
      "body /email",
    ]);
    const { items } = await mirrored!.differences.list({
      service: "users",
      route: null,
      class: "body",
      path: "/email",
      since: null,
      open: true,
      limit: 10,
      cursor: null,
    });
    const [found] = items.filter(({ processId }) => processId !== null);
    expect(found!.edits).to.deep.equal([
      {
        part: "body",
        path: "/email",
        kind: "changed",
        primary: '"Ann@Example.com"',
        secondary: '"ann@example.com"',
      },
    ]);
    expect(found!.sides.primary.status).to.equal(201);
    expect(found!.sides.secondary.latencyMs).to.be.a("number");
  });
});
