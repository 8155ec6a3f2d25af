// npm run bench: the programs in test/bench, one after the other, on a Redis of their own.
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { checkInterrupted, run } from "./children.mjs";
import { findRedisBinary } from "./find-redis.mjs";
import { inRoot, root, say, Trouble } from "./project.mjs";
import { startThrowAwayRedis } from "./redis.mjs";

/** Runs all benchmarks, or those whose names are among `args`. @returns {Promise<number>} the first failure's exit code */
export async function bench({ node, env, args }) {
  const folder = inRoot("test", "bench");
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => isBenchmark(name)) : [];
  const chosen = files.filter((name) => args.length === 0 || args.includes(name.replace(/\.ts$/, "")));
  if (chosen.length === 0) throw new Trouble(`No such benchmark. There are: ${files.join(", ") || "none"}`);
  const redis = process.env.REDIS_URL ? null : await startThrowAwayRedis();
  const binary = await findRedisBinary();
  try {
    for (const name of chosen.sort()) {
      say(`bench: ${name}`);
      checkInterrupted();
      const code = await run(node, [inRoot("test", "bench", name)], {
        cwd: root,
        env: {
          ...env,
          ...binary?.env,
          ...(binary && { STICKY_TEST_REDIS_SERVER: binary.file }),
          ...(redis && { REDIS_URL: redis.url }),
        },
      });
      if (code !== 0) return code;
    }
    return 0;
  } finally {
    await redis?.release();
  }
}

/** A helper of the benchmarks lies in a folder below; a test of one is a test. */
function isBenchmark(name) {
  return name.endsWith(".ts") && !name.endsWith(".test.ts");
}
