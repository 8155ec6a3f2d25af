import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { parse } from "yaml";

interface Part {
  image?: string;
  build?: { context: string; dockerfile: string };
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  restart?: string;
}

const root = path.join(import.meta.dirname, "../..");
const text = readFileSync(path.join(root, "docker-compose.yml"), "utf8");
const compose = parse(text, { merge: true }) as { services: Record<string, Part>; volumes: object };
const parts = Object.entries(compose.services);
const part = (name: string): Part => compose.services[name] ?? expect.fail(`no service ${name}`);

describe("docker-compose.yml", () => {
  it("stays in the subset that every compose tool reads", () => {
    const known = "image build command environment ports volumes depends_on healthcheck profiles restart";
    expect(Object.keys(compose)).to.have.members(["services", "volumes"]);
    for (const [name, it] of parts) {
      expect(known.split(" "), name).to.include.members(Object.keys(it));
      for (const condition of Object.values(it.depends_on ?? {})) {
        expect(Object.keys(condition), name).to.deep.equal(["condition"]);
        expect(["service_healthy", "service_started"]).to.include(condition.condition);
      }
    }
  });

  it("is the cluster it promises: three replicas behind a balancer, a sweeper, Redis and two demo instances", () => {
    expect(Object.keys(compose.services)).to.have.members([
      "redis",
      "proxy-1",
      "proxy-2",
      "proxy-3",
      "sweeper",
      "balancer",
      "demo-1",
      "demo-2",
    ]);
    for (const name of ["proxy-1", "proxy-2", "proxy-3"]) {
      expect(part(name).command?.slice(-2)).to.deep.equal(["serve", "proxy"]);
      expect(part("balancer").depends_on).to.have.property(name);
    }
    expect(part("sweeper").command?.slice(-2)).to.deep.equal(["serve", "sweeper"]);
  });

  it("starts only programs that exist", () => {
    for (const [name, { command }] of parts.filter(([, it]) => it.build)) {
      expect(command?.[0], name).to.equal("node");
      expect(existsSync(path.join(root, command?.[1] ?? "")), `${name}: ${command?.[1]}`).to.equal(true);
    }
  });

  it("checks the health of every part and waits for it", () => {
    for (const [name, it] of parts) {
      expect(it.healthcheck?.test[0], name).to.equal("CMD");
      expect(it.restart, name).to.equal("unless-stopped");
      for (const [other, { condition }] of Object.entries(it.depends_on ?? {})) {
        expect(compose.services, `${name} waits for`).to.have.property(other);
        expect(condition, `${name} waits for ${other}`).to.equal("service_healthy");
      }
    }
  });

  it("has a default for every variable, a pinned tag for every image and no port beyond this machine", () => {
    const used = [...text.matchAll(/\$\{([^}]*)\}/g)].map((match) => match[1] ?? "");
    expect(used).to.not.be.empty;
    for (const variable of used) expect(variable).to.match(/^[A-Z_]+:-.+$/);
    for (const [name, { image, build }] of parts) {
      // Parts that build the same at once must not write one tag.
      if (build) expect(image, name).to.equal(undefined);
      else expect(filled(image ?? ""), name).to.match(/^[a-z-]+:(?!latest$)[\w.-]+$/);
    }
    for (const [name, { ports = [] }] of parts) {
      for (const port of ports) expect(port, name).to.match(/^127\.0\.0\.1:/);
    }
    expect(parts.filter(([, { ports }]) => ports).map(([name]) => name)).to.deep.equal(["balancer"]);
  });

  it("mounts only files that are in the repository, read-only", () => {
    const mounts = parts.flatMap(([, { volumes = [] }]) => volumes).filter((mount) => mount.startsWith("."));
    expect(mounts.length).to.be.greaterThan(3);
    for (const mount of mounts) {
      const [source = "", , mode] = mount.split(":");
      expect(existsSync(path.join(root, source)), source).to.equal(true);
      expect(mode, mount).to.equal("ro");
    }
  });

  it("keeps Redis' data: its own settings file with the log on, and a named volume", () => {
    const { volumes = [], command = [] } = part("redis");
    expect(volumes).to.include("redis-data:/data");
    expect(volumes.some((mount) => mount.includes("infra/redis/standard.conf"))).to.equal(true);
    expect(command).to.include("/redis.conf");
    expect(compose.volumes).to.have.property("redis-data");
  });

  it("sends callbacks to the balancer, so that any replica takes them", () => {
    for (const name of ["proxy-1", "proxy-2", "proxy-3", "sweeper"]) {
      expect(part(name).environment?.STICKY_PUBLIC_URL).to.equal("http://balancer:8080");
      expect(part(name).environment?.REDIS_URL).to.equal("redis://redis:6379");
    }
  });

  it("has the demo's policies, with the containers' addresses", () => {
    const services = (file: string): unknown =>
      (parse(readFileSync(path.join(root, file), "utf8")) as { services: unknown }).services;
    const renamed = JSON.stringify(services("infra/demo/sticky.yaml"))
      .replaceAll("127.0.0.1:4001", "demo-1:4000")
      .replaceAll("127.0.0.1:4002", "demo-2:4000");
    expect(services("infra/compose/sticky.yaml")).to.deep.equal(JSON.parse(renamed));
  });

  it("leaves a replica time to end its work before Compose kills it, 10 s after the signal", () => {
    const { shutdown } = parse(readFileSync(path.join(root, "infra/compose/sticky.yaml"), "utf8")) as {
      shutdown: { drainDelayMs: number; hardMs: number };
    };
    expect(shutdown.hardMs).to.be.lessThan(10_000);
    // Two failed checks, 500 ms apart, take a replica out of the balancer.
    expect(shutdown.drainDelayMs)
      .to.be.greaterThan(1000)
      .and.lessThan(shutdown.hardMs / 2);
  });

  it("is accepted by the compose tools of this machine", () => {
    const tools = [["docker", "compose"], ["docker-compose"]].filter(
      ([file = "", ...args]) => spawnSync(file, [...args, "version"]).status === 0,
    );
    for (const [file = "", ...args] of tools) {
      const whole = execFileSync(file, [...args, "-f", path.join(root, "docker-compose.yml"), "config"], {
        encoding: "utf8",
      });
      const resolved = parse(whole) as typeof compose;
      expect(Object.keys(resolved.services), file).to.have.members(Object.keys(compose.services));
    }
  }).timeout(60_000);
});

/** Variables replaced by their defaults. */
function filled(value: string): string {
  return value.replace(/\$\{[A-Z_]+:-([^}]*)\}/g, "$1");
}
