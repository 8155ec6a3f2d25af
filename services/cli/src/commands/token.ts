/** Tokens of operators: create, list, revoke. */
import { roles } from "@sticky-proxy/core/operators";
import { createToken, listTokens, revokeToken, type TokenPorts } from "@sticky-proxy/operations";
import { exitCodes, UsageError, type Command, type Io, type Parsed } from "../command.ts";
import { withTokens } from "../connections/tokens.ts";
import { spanFlag, textFlag, wordFlag } from "../flags.ts";
import { plain, table } from "../printing/table.ts";

export const command: Command = {
  summary: "tokens of operators for the admin API and panel: create, list, revoke",
  usage: [
    "token create --role viewer|operator|admin --name NAME [--expires 90d] [--json]",
    "token list [--json]",
    "token revoke ID [--json]",
  ].join("\n  sticky-proxy "),
  run(args, io) {
    const [verb, ...rest] = args;
    const json = { json: { type: "boolean" } } as const;
    if (verb === "create") {
      const flags = {
        ...json,
        role: { type: "string" },
        name: { type: "string" },
        expires: { type: "string" },
      } as const;
      return withTokens(rest, io, { flags, maxWords: 0 }, (ports, parsed) => create(ports, parsed, io));
    }
    if (verb === "list")
      return withTokens(rest, io, { flags: json, maxWords: 0 }, (ports, parsed) => list(ports, parsed, io));
    if (verb === "revoke")
      return withTokens(rest, io, { flags: json, maxWords: 1 }, (ports, parsed) => revoke(ports, parsed, io));
    throw new UsageError("token what? create, list or revoke");
  },
};

type Out = Pick<Io, "out" | "err">;

/** Prints the token alone on standard output, so that a script may keep it. @throws UsageError */
export async function create(ports: TokenPorts, { flags }: Parsed, io: Out): Promise<number> {
  const role = wordFlag("role", flags["role"], roles);
  if (role === null) throw new UsageError(`which role? --role is one of: ${roles.join(", ")}`);
  const name = textFlag(flags["name"]);
  if (name === null || name.length > 64)
    throw new UsageError("whose token? --name says it, in up to 64 characters");
  const ttlMs = spanFlag("expires", flags["expires"]);
  const { token, secret } = await createToken(ports, { name, role, ttlMs, once: false });
  if (flags["json"] === true) {
    io.out(JSON.stringify({ ...token, secret }));
    return exitCodes.ok;
  }
  io.err(`${token.id}: ${role} ${plain(name)}, ${ending(token)}; it is shown this once`);
  io.out(secret);
  return exitCodes.ok;
}

/** Prints the facts of every token, and of no token its text. */
export async function list(ports: Pick<TokenPorts, "tokens">, { flags }: Parsed, io: Out): Promise<number> {
  const tokens = await listTokens(ports);
  if (flags["json"] === true) {
    io.out(JSON.stringify(tokens));
    return exitCodes.ok;
  }
  const rows = tokens.map((token) => [token.id, token.role, plain(token.name), ending(token)]);
  for (const line of table(["ID", "ROLE", "NAME", "EXPIRES"], rows)) io.out(line);
  return exitCodes.ok;
}

/** Ends the sessions of the panel that were opened with it too. @throws UsageError */
export async function revoke(
  ports: Pick<TokenPorts, "tokens">,
  { flags, words }: Parsed,
  io: Out,
): Promise<number> {
  const [id] = words;
  if (id === undefined) throw new UsageError("which token? give its id");
  if (!(await revokeToken(ports, id))) {
    io.err(`there is no token ${plain(id)}`);
    return exitCodes.failed;
  }
  io.out(flags["json"] === true ? JSON.stringify({ id }) : `${plain(id)} revoked`);
  return exitCodes.ok;
}

function ending({ expiresAt }: { readonly expiresAt: number | null }): string {
  return expiresAt === null ? "no expiry" : new Date(expiresAt).toISOString();
}
