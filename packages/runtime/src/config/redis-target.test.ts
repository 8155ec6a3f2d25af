import { expect } from "chai";
import { loadConfig } from "./load.ts";
import { redisTarget } from "./redis-target.ts";

function targetOf(redis: string) {
  const yaml = `redis: ${redis}\nservices: { a: { instances: [http://127.0.0.1:4001] } }`;
  const loaded = loadConfig({ yaml, env: {}, flags: {}, node: "n" });
  return loaded.ok ? redisTarget(loaded.config.redis) : expect.fail(loaded.errors.join("\n"));
}

describe("where Redis is", () => {
  it("is a URL, on this machine when nothing is said", () => {
    expect(targetOf("{ url: redis://h:6380/2 }")).to.deep.equal({ url: "redis://h:6380/2" });
    expect(targetOf("{}")).to.deep.equal({ url: "redis://127.0.0.1:6379" });
  });

  it("is a master set with all that its connections need, the database number too", () => {
    const sentinels =
      "{ master: m, nodes: [h:26379], username: u, password: p, sentinelPassword: s, db: 3, tls: true }";
    expect(targetOf(`{ sentinels: ${sentinels} }`)).to.deep.equal({
      sentinels: {
        name: "m",
        nodes: ["h:26379"],
        username: "u",
        password: "p",
        sentinelPassword: "s",
        db: 3,
        tls: true,
      },
    });
  });

  it("is some nodes of a cluster", () => {
    expect(targetOf("{ cluster: { nodes: [h:1, h:2] } }")).to.deep.equal({
      cluster: { nodes: ["h:1", "h:2"], tls: false },
    });
  });
});
