/** The state store and its durability. */
import { checkHostPort } from "../checks.ts";
import { flag, integer, list, oneOf, redisUrl, text, word } from "../formats.ts";
import { mapping } from "../shapes.ts";

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

const checkPrefix = (value: string): string | null =>
  /^[A-Za-z0-9_.-]{1,32}:$/.test(value) ? null : 'must be a word and a colon, such as "sp:"';
const checkInstallation = (value: string): string | null =>
  /^[A-Za-z0-9_.-]{1,64}$/.test(value) ? null : "must be a word of at most 64 characters";
const place = text("host:port.", checkHostPort).as(
  (written): RedisNode => {
    const colon = written.lastIndexOf(":");
    return { host: written.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(written.slice(colon + 1)) };
  },
  ({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`,
);

export const redis = mapping({
  url: redisUrl("One Redis.").allow(null).meta({ defaultText: "redis://127.0.0.1:6379" }),
  sentinels: mapping({
    master: word("Name of the master set.", 128).required(),
    nodes: list("Sentinels as host:port.", place, { min: 1 }).required(),
    username: word("Redis user.", 1024).allow(null).default(null),
    password: word("Redis password.", 1024).allow(null).default(null),
    sentinelPassword: word("Password of the sentinels.", 1024).allow(null).default(null),
    db: integer("Database number.", 0, { max: 1000 }),
    tls: flag("Speak TLS.", false),
  })
    .allow(null)
    .description("Redis behind Sentinel, instead of url.")
    .default(null),
  cluster: mapping({
    nodes: list("Some nodes as host:port.", place, { min: 1 }).required(),
    username: word("Redis user.", 1024).allow(null).default(null),
    password: word("Redis password.", 1024).allow(null).default(null),
    tls: flag("Speak TLS.", false),
  })
    .allow(null)
    .description("Redis Cluster, instead of url.")
    .default(null),
  profile: oneOf(
    "How much may be lost; the Redis settings are checked against it.",
    ["dev", "standard", "ha", "ha+quorum"],
    "standard",
  ),
  enforce: flag(
    "Wrong Redis settings make the node not ready; true when a profile is named, else they are only told.",
    false,
  ),
  strict: flag("Redis settings that cannot be seen count as wrong.", false),
  keyPrefix: text("Begins every key.", checkPrefix).default("sp:"),
  installation: text(
    "Name of this installation; a replica of another one on the same keys is told in the log (`store.shared-prefix`).",
    checkInstallation,
  )
    .allow(null)
    .default(null),
  lockNodes: list("Independent lock Redises of ha+quorum: odd, at least 3.", redisUrl("One lock Redis."), {
    max: 15,
  }),
  partitions: integer("Fixed at first start.", 64, { min: 1, max: 1024 }),
});
