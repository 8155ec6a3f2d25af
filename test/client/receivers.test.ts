/** The receivers in other languages, each against a gateway, where its language is on the machine. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";

const secret = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;
const examples = join(import.meta.dirname, "../../packages/client/examples");

const receivers = [
  { language: "Python", command: "python3", version: ["--version"], args: ["receiver.py"] },
  { language: "Go", command: "go", version: ["version"], args: ["run", "receiver.go"] },
].filter(({ command, version }) => spawnSync(command, version).status === 0);

for (const { language, command, args } of receivers)
  describe(`the receiver in ${language}`, () => {
    let service: ChildProcess;
    let cluster: Nodes;

    before(async function () {
      this.timeout(120_000); // a compiler may have to run first
      service = spawn(command, args, {
        cwd: examples,
        env: { ...process.env, PORT: "0", SECRET: secret },
        stdio: ["ignore", "pipe", "inherit"],
        detached: true, // `go run` starts a program of its own
      });
      const [line] = (await once(createInterface(service.stdout!), "line")) as [string];
      cluster = await startNodes({
        yaml: `
services:
  reports:
    instances: ["http://127.0.0.1:${/\d+$/.exec(line)![0]}"]
    callbackAuth: { mode: both, secrets: [${secret}] }
    routes:
      - process: { identity: key, waitMs: 20000 }
`,
      });
    });
    after(async () => {
      process.kill(-service.pid!);
      await cluster.close();
    });

    const order = (key: string, month: number) =>
      fetch(`${cluster.url()}/reports/monthly`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": key },
        body: JSON.stringify({ month }),
      });

    it("takes the work, reports progress and completes with a signature and the token", async () => {
      const answer = await order("r-5", 5);
      expect(answer.status).to.equal(201);
      expect(await answer.json()).to.deep.equal({ url: "/reports/r-5.pdf" });
      const id = answer.headers.get("sticky-process-id");
      const view = await fetch(`${cluster.url()}/_sticky/v1/processes/${id}`);
      expect(((await view.json()) as { progress: object }).progress).to.deep.equal({
        percent: 50,
        message: "rendering",
      });
    });

    it("fails what it did not begin, so that the key is free", async () => {
      const answer = await order("r-13", 13);
      expect(answer.status).to.equal(422);
      expect(await answer.json()).to.include({ title: "No such month" });
      expect(answer.headers.get("idempotency-expires")).to.equal(null);
    });
  });
