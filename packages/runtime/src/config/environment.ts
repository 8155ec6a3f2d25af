/** The variables of this process, for the configuration to read; a door of its own, so that `help` loads nothing else. */
export const environment: Readonly<Record<string, string | undefined>> = process.env;
