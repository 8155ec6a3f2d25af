/** Every script of the process store, by operation. */
import { claimDueScript } from "./claim-due.ts";
import { commitScript } from "./commit.ts";
import { createScript } from "./create.ts";
import { forgetScript } from "./forget.ts";
import { holdJobScript } from "./jobs.ts";
import { noteScript } from "./timeline.ts";
import { purgeScript } from "./purge.ts";
import { readScript } from "./read.ts";
import { renewScript } from "./renew.ts";
import { ringAgainScript } from "./ring-again.ts";
import { supersedeScript } from "./supersede.ts";

export const processScripts = {
  create: createScript,
  read: readScript,
  commit: commitScript,
  supersede: supersedeScript,
  renew: renewScript,
  claimDue: claimDueScript,
  ringAgain: ringAgainScript,
  purge: purgeScript,
  forget: forgetScript,
  holdJob: holdJobScript,
  note: noteScript,
};
