// A process that tries mutants, one after the other, as its parent sends them: loads the tests with the mutant in place,
// runs them until one fails, and answers. The parent ends it when a mutant hangs.
import Mocha from "mocha";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { startTrial } from "./replace-source.mjs";

Error.stackTraceLimit = 20;
let number = 0;

/** A test that fails, a module that cannot be loaded, an error that nobody caught: all of them notice. */
async function tried({ file, text, tests, grep, timeoutMs }) {
  const trial = startTrial((number += 1), file, text);
  const mocha = new Mocha({ bail: true, reporter: class {}, timeout: timeoutMs, grep: new RegExp(grep) });
  try {
    for (const test of tests) {
      mocha.suite.emit("pre-require", globalThis, test, mocha);
      await import(pathToFileURL(test).href + trial);
      mocha.suite.emit("post-require", globalThis, test, mocha);
    }
  } catch (error) {
    return { by: `not loaded: ${error.message}`, isClean: true };
  }
  return new Promise((resolve) => {
    let failure = null;
    const runner = mocha.run(() => {
      mocha.dispose();
      if (failure === null) return resolve({ by: null, isClean: true });
      const { test, error } = failure;
      // What still runs after a time-out or a stray error could be taken for the next mutant's.
      const isClean = error?.code !== "ERR_MOCHA_TIMEOUT" && error?.uncaught !== true;
      resolve({ by: `${test.fullTitle()}: ${String(error?.message).split("\n", 1)[0]}`, isClean });
    });
    runner.on("fail", (test, error) => (failure ??= { test, error }));
  });
}

process.on("message", (mutant) => {
  void tried(mutant).then((answer) => process.send(answer));
});
// Between two trials: what a mutant left behind. It has been judged.
process.on("unhandledRejection", () => undefined);
