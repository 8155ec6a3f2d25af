import { createApiKey, listApiKeys, revokeApiKey, type KeyPorts } from "@sticky-proxy/operations";
import { grantScopes, subjectOf, type ApiKey, type GrantScope } from "@sticky-proxy/core/principal";
import { exitCodes, UsageError, type Command, type Io, type Parsed } from "../command.ts";
import { withKeys } from "../connections/keys.ts";
import { spanFlag, textFlag, wordFlag } from "../flags.ts";
import { plain, table } from "../printing/table.ts";

export const command: Command = {
  summary: "API keys of clients: create, list, revoke",
  usage: [
    "keys create PRINCIPAL [--scopes submit,read,cancel,force] [--expires 90d] [--json]",
    "keys list [--json]",
    "keys revoke ID [--json]",
  ].join("\n  sticky-proxy "),
  run(args, io) {
    const [verb, ...rest] = args;
    const json = { json: { type: "boolean" } } as const;
    if (verb === "create") {
      const flags = { ...json, scopes: { type: "string" }, expires: { type: "string" } } as const;
      return withKeys(rest, io, { flags, maxWords: 1 }, (ports, parsed) => create(ports, parsed, io));
    }
    if (verb === "list")
      return withKeys(rest, io, { flags: json, maxWords: 0 }, (ports, parsed) => list(ports, parsed, io));
    if (verb === "revoke")
      return withKeys(rest, io, { flags: json, maxWords: 1 }, (ports, parsed) => revoke(ports, parsed, io));
    throw new UsageError("keys what? create, list or revoke");
  },
};

type Out = Pick<Io, "out" | "err">;

/** Prints the key alone on standard output, so that a script may keep it. @throws UsageError */
export async function create(ports: KeyPorts, { flags, words }: Parsed, io: Out): Promise<number> {
  const principal = subjectOf(words[0]);
  if (principal === null) throw new UsageError("whose key? give the principal, of 1 to 255 characters");
  const scopes = scopesFlag(flags["scopes"]);
  const expiresInMs = spanFlag("expires", flags["expires"]);
  const { text, key } = await createApiKey(ports, { principal, scopes, expiresInMs });
  if (flags["json"] === true) {
    io.out(JSON.stringify({ key: text, ...key }));
    return exitCodes.ok;
  }
  io.err(
    `${key.id} of ${plain(principal)}, scopes ${scopes.join(",")}, ${ending(key)}; it is shown this once`,
  );
  io.out(text);
  return exitCodes.ok;
}

/** Prints the facts of every key, and of no key its text. */
export async function list(ports: KeyPorts, { flags }: Parsed, io: Out): Promise<number> {
  const keys = await listApiKeys(ports);
  if (flags["json"] === true) {
    io.out(JSON.stringify(keys));
    return exitCodes.ok;
  }
  const rows = keys.map((key) => [key.id, plain(key.principal), key.scopes.join(","), ending(key)]);
  for (const line of table(["ID", "PRINCIPAL", "SCOPES", "EXPIRES"], rows)) io.out(line);
  return exitCodes.ok;
}

/** Effective on every replica within a second. @throws UsageError */
export async function revoke(ports: KeyPorts, { flags, words }: Parsed, io: Out): Promise<number> {
  const [id] = words;
  if (id === undefined) throw new UsageError("which key? give its id");
  const revoked = await revokeApiKey(ports, id);
  if (revoked === null) {
    io.err(`there is no key ${plain(id)}`);
    return exitCodes.failed;
  }
  io.out(
    flags["json"] === true ? JSON.stringify(revoked) : `${revoked.id} of ${plain(revoked.principal)} revoked`,
  );
  return exitCodes.ok;
}

function ending({ expiresAt }: Pick<ApiKey, "expiresAt">): string {
  return expiresAt === null ? "no expiry" : new Date(expiresAt).toISOString();
}

function scopesFlag(value: Parsed["flags"][string]): readonly GrantScope[] {
  const text = textFlag(value);
  if (text === null) return grantScopes;
  return [...new Set(text.split(",").map((word) => wordFlag("scopes", word.trim(), grantScopes)!))];
}
