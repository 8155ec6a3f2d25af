import { exitCodes, parseFlags, type Command } from "../command.ts";
import { version } from "@sticky-proxy/runtime";

export const command: Command = {
  summary: "print the version",
  usage: "version",
  run(args, io) {
    parseFlags(args, {}, { only: [] });
    io.out(`sticky-proxy ${version()} (node ${process.versions.node})`);
    return Promise.resolve(exitCodes.ok);
  },
};
