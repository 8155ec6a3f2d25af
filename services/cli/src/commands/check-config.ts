import { costlySchemas } from "@sticky-proxy/proxy/body-schema";
import { exitCodes, loadOrExplain, parseFlags, type Command } from "../command.ts";

export const command: Command = {
  summary: "check the configuration and list every error; starts nothing",
  usage: "check-config [--config FILE] [options of serve]",
  run(args, io) {
    const loaded = loadOrExplain(parseFlags(args).flags, io);
    if (loaded === null) return Promise.resolve(exitCodes.config);
    const { config, warnings } = loaded;
    const costly = costlySchemas(config.services);
    for (const warning of [...warnings, ...costly]) io.err(`warning: ${warning}`);
    const routes = config.services.reduce((sum, service) => sum + service.routes.length, 0);
    io.out(`the configuration is valid: services ${config.services.length}, routes ${routes}`);
    return Promise.resolve(exitCodes.ok);
  },
};
