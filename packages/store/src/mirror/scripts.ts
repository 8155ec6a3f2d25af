/** Every script of the mirror's store. */
import { ackScript } from "./ack.ts";
import { acknowledgeScript } from "./acknowledge.ts";
import { appendScript } from "./append.ts";
import { claimScript } from "./claim.ts";
import { gapScript } from "./gap.ts";
import { lagScript } from "./lag.ts";
import { migrationChangeScript } from "./migrations.ts";
import { parkScript } from "./park.ts";
import { peekScript } from "./peek.ts";
import { settleScript } from "./settle.ts";
import { skipScript } from "./skip.ts";
import { tidyScript } from "./tidy.ts";
import { unparkScript } from "./unpark.ts";

export const mirrorScripts = [
  ackScript,
  acknowledgeScript,
  appendScript,
  claimScript,
  gapScript,
  lagScript,
  migrationChangeScript,
  parkScript,
  peekScript,
  settleScript,
  skipScript,
  tidyScript,
  unparkScript,
];
