import { options } from "@sticky-proxy/runtime";
import { commands } from "../cli.ts";
import { exitCodes, UsageError, type Command } from "../command.ts";
import { didYouMean } from "../nearest.ts";

export const command: Command = {
  summary: "list commands, or explain one",
  usage: "help [command]",
  async run(args, io) {
    const [name, ...rest] = args.filter((arg) => !arg.startsWith("-"));
    if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"`);
    if (name !== undefined) {
      const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
      if (load === undefined) {
        const meant = didYouMean(name, Object.keys(commands));
        io.err(`sticky-proxy: there is no command "${name}"${meant}; try: sticky-proxy help`);
        return exitCodes.usage;
      }
      const { command: found } = await load();
      io.out(`${name}: ${found.summary}`);
      io.out("");
      io.out(`  sticky-proxy ${found.usage}`);
      if (found.usage.includes("[options")) for (const line of optionLines()) io.out(line);
      else if (found !== command && name !== "version" && name !== "completion")
        for (const line of operatingLines) io.out(line);
      return exitCodes.ok;
    }
    io.out("sticky-proxy: a gateway for requests that must not run twice");
    io.out("");
    for (const [word, load] of Object.entries(commands)) {
      const { command: found } = await load();
      io.out(`  ${word.padEnd(14)} ${found.summary}`);
    }
    io.out("");
    io.out("Try: sticky-proxy serve --port 3000 --origin http://127.0.0.1:8000 --idempotent");
    io.out("More: sticky-proxy help <command>");
    io.out("In a clone of the project, sticky-proxy is: npm run -s sticky-proxy --");
    return exitCodes.ok;
  },
};

/** Options of every command that works on Redis. */
const operatingLines = [
  "",
  "  --redis URL or --config FILE says where Redis is; else REDIS_URL, else redis://127.0.0.1:6379.",
  "  Spans are 90s, 10m, 2h or 7d. --json prints for machines. Exit codes: 0 done, 1 failed, 64 wrong use, 69 Redis away.",
];

function optionLines(): string[] {
  const placeholder = { text: " TEXT", integer: " N", switch: "" } as const;
  const word = (flag: string, kind: keyof typeof placeholder): string =>
    flag === "config"
      ? " FILE"
      : /^(?:redis|cache-redis|origin|mirror|public-url)$/.test(flag)
        ? " URL"
        : placeholder[kind];
  const rows = options.map(
    ({ flag, kind, env, about }) => [`--${flag}${word(flag, kind)}`, env, about] as const,
  );
  return ["", ...rows.map(([flag, env, about]) => `  ${flag.padEnd(22)} ${env.padEnd(22)} ${about}`)];
}
