// npm run mutants: which small faults in the sources no test would notice (test/mutants), on a Redis of its own for Lua.
import { run } from "./children.mjs";
import { findRedisBinary } from "./find-redis.mjs";
import { inRoot, root } from "./project.mjs";
import { startThrowAwayRedis } from "./redis.mjs";
import process from "node:process";

/** @returns {Promise<number>} 0: as much was noticed as was asked for */
export async function mutants({ node, env, args }) {
  const redis = process.env.REDIS_URL ? null : await startThrowAwayRedis();
  const binary = await findRedisBinary();
  const given = {
    ...binary?.env,
    ...(binary && { STICKY_TEST_REDIS_SERVER: binary.file }),
    ...(redis && { REDIS_URL: redis.url }),
  };
  try {
    return await run(node, [inRoot("test", "mutants", "run.ts"), ...args], {
      cwd: root,
      env: { ...env, ...given },
    });
  } finally {
    await redis?.release();
  }
}
