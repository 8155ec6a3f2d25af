// Mocha's spec report, and counts and failed tests as JSON in STICKY_TEST_SUMMARY for the closing lines of the run.
import { writeFileSync } from "node:fs";
import process from "node:process";
import Mocha from "mocha";

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const failed = [];
    runner.on(Mocha.Runner.constants.EVENT_TEST_FAIL, (test) => {
      failed.push({ file: test.file ?? test.parent?.file ?? null, title: test.fullTitle() });
    });
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      if (process.env.STICKY_TEST_SUMMARY) {
        writeFileSync(process.env.STICKY_TEST_SUMMARY, JSON.stringify({ passes, failures, pending, failed }));
      }
    });
  }
}
