/** Scripts that make a shell complete commands, their verbs and their flags. */
import { options } from "@sticky-proxy/runtime";
import { commands } from "../cli.ts";
import { exitCodes, UsageError, type Command } from "../command.ts";
import { didYouMean } from "../nearest.ts";

const shells = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export const command: Command = {
  summary: "print the script that makes bash, zsh or fish complete commands and flags",
  usage: [
    "completion bash   # in ~/.bashrc: source <(sticky-proxy completion bash)",
    "completion zsh    # in ~/.zshrc, after compinit: source <(sticky-proxy completion zsh)",
    "completion fish   # sticky-proxy completion fish > ~/.config/fish/completions/sticky-proxy.fish",
  ].join("\n  sticky-proxy "),
  async run([shell, ...rest], io) {
    const names = Object.keys(shells);
    if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"`);
    if (shell === undefined) throw new UsageError("completion for which shell? bash, zsh or fish");
    if (!Object.hasOwn(shells, shell))
      throw new UsageError(`there is no completion for "${shell}"${didYouMean(shell, names)}`);
    const entries = Object.entries(commands).map(async ([name, load]) => {
      const { command: found } = await load();
      return { name, summary: found.summary, words: wordsOf(name, found.usage) };
    });
    io.out(shells[shell as keyof typeof shells](await Promise.all(entries)));
    return exitCodes.ok;
  },
};

interface Entry {
  readonly name: string;
  readonly summary: string;
  /** What may follow the command: its verbs, then its flags. */
  readonly words: readonly string[];
}

/** Read from the usage, which a person reads too: verbs are its small words in second place, flags begin with "--". */
function wordsOf(name: string, usage: string): readonly string[] {
  if (name === "help") return Object.keys(commands);
  const lines = usage.split("\n").map((line) => line.trim().replace(/^sticky-proxy /, ""));
  const verbs = lines.flatMap(
    (line) => /^\S+ \[?([a-z][a-z|-]*)(?=[\] ]|$)/.exec(line)?.[1]?.split("|") ?? [],
  );
  const all = options.map(({ flag }) => `--${flag}`);
  const own = usage.match(/--[a-z][a-z-]*/g) ?? [];
  const isLocal = name === "completion" || name === "version";
  const shared = usage.includes("[options") ? all : isLocal ? [] : ["--redis", "--config"];
  return [...new Set([...verbs.filter((verb) => verb !== "options"), ...own, ...shared])];
}

function bashScript(entries: readonly Entry[]): string {
  return [
    "_sticky_proxy() {",
    `  local words="" cur="\${COMP_WORDS[COMP_CWORD]}"`,
    `  if [ "$COMP_CWORD" -eq 1 ]; then words="${entries.map(({ name }) => name).join(" ")}"`,
    `  else case "\${COMP_WORDS[1]}" in`,
    ...entries.map(({ name, words }) => `    ${name}) words="${words.join(" ")}" ;;`),
    "  esac; fi",
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    "}",
    "complete -o default -F _sticky_proxy sticky-proxy",
  ].join("\n");
}

function zshScript(entries: readonly Entry[]): string {
  return [
    "#compdef sticky-proxy",
    "_sticky_proxy() {",
    "  local -a words_of",
    "  if (( CURRENT == 2 )); then",
    `    words_of=(${entries.map(({ name, summary }) => quoted(`${name}:${summary}`)).join(" ")})`,
    "    _describe command words_of",
    "    return",
    "  fi",
    `  case "\${words[2]}" in`,
    ...entries.map(({ name, words }) => `    ${name}) words_of=(${words.join(" ")}) ;;`),
    "  esac",
    "  compadd -- $words_of",
    "  _files",
    "}",
    "compdef _sticky_proxy sticky-proxy",
  ].join("\n");
}

function fishScript(entries: readonly Entry[]): string {
  const of = "complete -c sticky-proxy";
  return entries
    .flatMap(({ name, summary, words }) => [
      `${of} -f -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`,
      ...words.map((word) => {
        const what = word.startsWith("--") ? `-l ${word.slice(2)}` : `-a ${word}`;
        return `${of} -n '__fish_seen_subcommand_from ${name}' ${what}`;
      }),
    ])
    .join("\n");
}

/** In single quotes, for zsh and fish; no summary has a backslash. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "")}'`;
}
