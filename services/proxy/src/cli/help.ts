import { options } from "@sticky-proxy/runtime";
import { commands } from "../cli.ts";
import { exitCodes, UsageError, type Command } from "../command.ts";

export const command: Command = {
  summary: "list commands, or explain one",
  usage: "help [command]",
  async run(args, io) {
    const [name, ...rest] = args.filter((arg) => !arg.startsWith("-"));
    if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"`);
    if (name !== undefined) {
      const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
      if (load === undefined) throw new UsageError(`there is no command "${name}"`);
      const { command: found } = await load();
      io.out(`sticky-proxy ${found.usage}`);
      io.out(`  ${found.summary}`);
      if (found.usage.includes("options of serve") || name === "serve")
        for (const line of optionLines()) io.out(line);
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
    return exitCodes.ok;
  },
};

function optionLines(): string[] {
  const placeholder = { text: " TEXT", integer: " N", switch: "" } as const;
  const rows = options.map(
    ({ flag, kind, env, about }) => [`--${flag}${placeholder[kind]}`, env, about] as const,
  );
  return ["", ...rows.map(([flag, env, about]) => `  ${flag.padEnd(22)} ${env.padEnd(22)} ${about}`)];
}
