import { configJsonSchema, configReference, configText, redactedConfig } from "@sticky-proxy/runtime";
import { exitCodes, loadOrExplain, parseFlags, type Command } from "../command.ts";

export const command: Command = {
  summary:
    "print the configuration with every default, secrets redacted (--reference: every entry there is; --json-schema: the file's shape, for editors)",
  usage: "print-config [--json] [--reference] [--json-schema] [--config FILE] [options of serve]",
  run(args, io) {
    const { flags } = parseFlags(args, {
      json: { type: "boolean" },
      reference: { type: "boolean" },
      "json-schema": { type: "boolean" },
    });
    if (flags["json-schema"] === true) {
      io.out(JSON.stringify(configJsonSchema(), null, 2));
      return Promise.resolve(exitCodes.ok);
    }
    if (flags.reference === true) {
      io.out(configReference());
      return Promise.resolve(exitCodes.ok);
    }
    const loaded = loadOrExplain(flags, io);
    if (loaded === null) return Promise.resolve(exitCodes.config);
    const { config, warnings } = loaded;
    for (const warning of warnings) io.err(`warning: ${warning}`);
    io.out(
      flags.json === true ? JSON.stringify(redactedConfig(config), null, 2) : configText(config).trimEnd(),
    );
    return Promise.resolve(exitCodes.ok);
  },
};
