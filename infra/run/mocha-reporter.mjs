// Mocha's spec report, and the counts as JSON in STICKY_TEST_SUMMARY for the closing line of the run.
import { writeFileSync } from "node:fs";
import process from "node:process";
import Mocha from "mocha";

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      if (process.env.STICKY_TEST_SUMMARY) {
        writeFileSync(process.env.STICKY_TEST_SUMMARY, JSON.stringify({ passes, failures, pending }));
      }
    });
  }
}
