import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { commands, runCli } from "../cli.ts";

async function script(shell: string): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const io = {
    out: (line: string) => void out.push(line),
    err: (line: string) => void err.push(line),
    env: {},
  };
  return { code: await runCli(["completion", shell], io), out: out.join("\n"), err: err.join("\n") };
}

/** What bash offers after the words; the last one is begun. */
async function offered(...words: string[]): Promise<string[]> {
  const { out } = await script("bash");
  const ask = `COMP_WORDS=(sticky-proxy ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}`;
  const { stdout } = spawnSync("bash", ["-c", `${out}\n${ask}\n_sticky_proxy\necho "\${COMPREPLY[@]}"`]);
  return String(stdout).trim().split(" ");
}

describe("completion", () => {
  it("bash completes commands, verbs and flags", async () => {
    expect(await offered("")).to.have.members(Object.keys(commands));
    expect(await offered("comp")).to.deep.equal(["completion"]);
    expect(await offered("token", "")).to.include.members([
      "create",
      "list",
      "revoke",
      "--expires",
      "--redis",
    ]);
    expect(await offered("ps", "--st")).to.deep.equal(["--status"]);
    expect(await offered("serve", "")).to.include.members(["proxy", "sweeper", "--origin"]);
    expect(await offered("completion", "")).to.deep.equal(["bash", "zsh", "fish"]);
  });

  it("every shell's script names every command", async () => {
    for (const shell of ["bash", "zsh", "fish"]) {
      const { code, out } = await script(shell);
      expect(code).to.equal(0);
      for (const name of Object.keys(commands)) expect(out).to.match(new RegExp(`[ ('"]${name}[ :)]`));
    }
  });

  it("a shell without completion is refused with the nearest one", async () => {
    const { code, err } = await script("fihs");
    expect(code).to.equal(64);
    expect(err).to.contain('did you mean "fish"?');
  });
});
