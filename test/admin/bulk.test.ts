/** Bulk jobs over a running gateway: plan, start, stop, and another admin service that goes on. */
import { expect } from "chai";
import { until } from "../support/until.ts";
import { logIn, startAdminGateway, type AdminClient, type AdminGateway } from "./gateway.ts";

interface Job {
  readonly id: string;
  readonly state: string;
  readonly count: number;
  readonly done: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly outlook: Readonly<Record<string, number>>;
}

const letters = 60;

describe("bulk jobs", function () {
  this.timeout(90_000);
  let gateway: AdminGateway;
  let admin: AdminClient;
  let secret: string;

  const filter = { service: "down", executed: "no" };
  async function plan(action: string, by: object = filter, client = admin): Promise<Job> {
    const made = (await (await client.send("POST", "/bulk", { action, filter: by })).json()) as Job;
    return until(async () => {
      const job = await show(made.id, client);
      return job.state === "planning" ? null : job;
    });
  }
  async function show(id: string, client = admin): Promise<Job> {
    return (await (await client.get(`/bulk/${id}`)).json()) as Job;
  }
  const start = (job: Job, count: number, ratePerSecond: number) =>
    admin.send("POST", `/bulk/${job.id}:start`, { reason: "service is back", count, ratePerSecond });
  const ended = (id: string, client = admin): Promise<Job> =>
    until(async () => {
      const job = await show(id, client);
      return ["completed", "cancelled", "failed"].includes(job.state) ? job : null;
    });

  async function kill(count: number, prefix: string): Promise<void> {
    const answers = await Promise.all(
      Array.from({ length: count }, (_, i) =>
        fetch(`${gateway.url}/down/pay`, {
          method: "POST",
          headers: { "idempotency-key": `${prefix}-${i}` },
        }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([502]));
  }

  before(async () => {
    gateway = await startAdminGateway({
      services: () => ({
        down: {
          instances: ["http://127.0.0.1:1"],
          routes: [
            {
              match: { path: "/" },
              process: { identity: "key" },
              retries: { attempts: 2, minMs: 1, maxMs: 1 },
            },
          ],
        },
      }),
      service: (_request, response) => void response.end(),
    });
    const first = await logIn(gateway.adminUrl, gateway.firstToken);
    const made = await first.send("POST", "/tokens", { name: "bulk", role: "admin", reason: "for the test" });
    ({ secret } = (await made.json()) as { secret: string });
    admin = await logIn(gateway.adminUrl, secret);
    await kill(letters, "letter");
  });
  after(() => gateway?.stop());

  it("a plan counts what matches and changes nothing", async () => {
    const job = await plan("redrive");
    expect(job).to.include({ state: "planned", count: letters, done: 0 });
    expect(job.outlook).to.deep.equal({ rerun: letters });
    expect((await plan("redrive", { ...filter, executed: "yes" })).count).to.equal(0);
    expect((await plan("redrive")).count).to.equal(letters);
  });

  it("a start needs the count that the plan shows, once", async () => {
    const job = await plan("discard", { ...filter, reason: "no such reason" });
    expect((await start(job, 1, 50)).status).to.equal(400);
    expect((await start(job, 0, 50)).status).to.equal(202);
    expect((await start(job, 0, 50)).status).to.equal(409);
    expect((await ended(job.id)).state).to.equal("completed");
  });

  it("letters that die after the plan are not touched; a stop leaves the rest, and every item is told", async () => {
    const job = await plan("discard");
    await kill(5, "later");
    expect((await start(job, letters, 20)).status).to.equal(202);
    await until(async () => ((await show(job.id)).done >= 5 ? true : null));
    expect((await admin.send("POST", `/bulk/${job.id}:cancel`)).status).to.equal(202);
    const stopped = await ended(job.id);
    expect(stopped.state).to.equal("cancelled");
    expect(stopped.counts).to.deep.equal({ discarded: stopped.done });
    const { items } = (await (await admin.get(`/bulk/${job.id}/items?limit=1000`)).json()) as {
      items: { id: string }[];
    };
    expect(new Set(items.map(({ id }) => id)).size).to.equal(stopped.done);
    expect((await plan("discard")).count).to.equal(letters - stopped.done + 5);
  });

  it("when the admin service dies another goes on, and no item is done twice", async () => {
    const job = await plan("discard");
    expect((await start(job, job.count, 8)).status).to.equal(202);
    await until(async () => ((await show(job.id)).done >= 3 ? true : null));
    const other = await gateway.startAdmin();
    await gateway.crash();
    const client = await logIn(other.adminUrl, secret);
    const done = await ended(job.id, client);
    expect(done.state).to.equal("completed");
    const { items } = (await (await client.get(`/bulk/${job.id}/items?limit=1000`)).json()) as {
      items: { id: string }[];
    };
    expect(new Set(items.map(({ id }) => id)).size).to.equal(items.length);
    expect((await plan("discard", filter, client)).count).to.equal(0);
    const { items: entries } = (await (await client.get("/audit?action=bulk.")).json()) as {
      items: Record<string, string>[];
    };
    expect(entries[0]).to.include({ action: "bulk.start", actor: "bulk", reason: "service is back" });
  });
});
