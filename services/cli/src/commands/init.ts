/** `init`: writes a first configuration, from two answers or from flags. */
import { writeFileSync } from "node:fs";
import { exitCodes, parseFlags, UsageError, type Command, type Io } from "../command.ts";
import { starterFile, useAbout, uses, type Use } from "../printing/starter-file.ts";

export const command: Command = {
  summary: "write a first sticky.yaml, from two questions or from flags; never over an existing file",
  usage: `init [--origin URL] [--use ${uses.join("|")}] [--second URL] [--file FILE]`,
  async run(args, io) {
    const { flags } = parseFlags(
      args,
      { use: { type: "string" }, second: { type: "string" }, file: { type: "string" } },
      { only: ["origin"] },
    );
    const origin = originOf(
      "--origin",
      await answer(io, flags.origin, "--origin", "Where is your service?", fallback),
    );
    const use = useOf(await answer(io, flags.use, "--use", question(), "idempotency"));
    const second =
      use === "mirror"
        ? originOf(
            "--second",
            await answer(io, flags.second, "--second", "Where is the second backend?", null),
          )
        : null;
    const file = typeof flags.file === "string" ? flags.file : "sticky.yaml";
    try {
      writeFileSync(file, starterFile({ origin, use, second }), { flag: "wx" });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = code === "EEXIST" ? "it is there already" : message;
      io.err(`sticky-proxy init: ${file} is not written: ${why}`);
      return exitCodes.failed;
    }
    io.out(`${file} is written: ${useAbout[use]}`);
    io.out(`next: sticky-proxy check-config --config ${file}`);
    io.out(`then: sticky-proxy serve --config ${file}`);
    return exitCodes.ok;
  },
};

const fallback = "http://127.0.0.1:3000";

function question(): string {
  const listed = uses.map((use) => `  ${use.padEnd(12)} ${useAbout[use]}`);
  return ["What shall the gateway do?", ...listed, "Which?"].join("\n");
}

/** The flag's value, else what is typed, else `otherwise`. Without a terminal a missing flag is an error. */
async function answer(
  io: Io,
  given: unknown,
  flag: string,
  asked: string,
  otherwise: string | null,
): Promise<string> {
  if (typeof given === "string") return given;
  if (io.ask === undefined) throw new UsageError(`needs ${flag} where nobody can be asked`);
  const typed = (await io.ask(otherwise === null ? `${asked} ` : `${asked} [${otherwise}] `)).trim();
  if (typed !== "") return typed;
  if (otherwise === null) throw new UsageError(`needs ${flag}`);
  return otherwise;
}

function originOf(flag: string, text: string): string {
  const url = URL.parse(text);
  const isOrigin =
    url !== null && ["http:", "https:"].includes(url.protocol) && url.pathname === "/" && url.search === "";
  if (!isOrigin || url.username !== "" || url.hash !== "")
    throw new UsageError(`${flag} is an origin such as http://127.0.0.1:3000, not "${text}"`);
  return url.origin;
}

function useOf(text: string): Use {
  const use = uses.find((known) => known === text);
  if (use === undefined) throw new UsageError(`--use is one of: ${uses.join(", ")}; not "${text}"`);
  return use;
}
