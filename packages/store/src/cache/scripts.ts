/** Every script of the cache's store, for loading ahead of the first call. */
import { beginScript } from "./begin.ts";
import { commitScript } from "./commit.ts";
import { dropScript } from "./drop.ts";
import { finishScript } from "./finish.ts";
import { forgetScript } from "./forget.ts";
import { lookupScript } from "./lookup.ts";
import { purgeScript } from "./purge.ts";
import { renewScript } from "./renew.ts";

export const cacheScripts = [
  beginScript,
  commitScript,
  dropScript,
  finishScript,
  forgetScript,
  lookupScript,
  purgeScript,
  renewScript,
];
