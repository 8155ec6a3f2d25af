/** What went wrong with a command, in a closed set of words for metrics. */
export type RedisFailure = "timeout" | "connection" | "readonly" | "oom" | "loading" | "desync" | "other";

const byReply: readonly (readonly [prefix: string, word: RedisFailure])[] = [
  ["READONLY", "readonly"],
  ["OOM", "oom"],
  ["LOADING", "loading"],
];

/** `error` as the client or `runScript` throws it. */
export function failureKind(error: unknown): RedisFailure {
  if (!(error instanceof Error)) return "other";
  if (error.name === "RedisDesync") return "desync";
  for (const [prefix, word] of byReply) if (error.message.startsWith(prefix)) return word;
  if (error.message === "Command timed out") return "timeout";
  // What the server itself refuses is a ReplyError; a programming error is no failure of the connection either.
  return error.name === "ReplyError" || error instanceof TypeError ? "other" : "connection";
}
