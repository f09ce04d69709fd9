/* `npm run test:fuzz`: makes the clone ready, then runs the test of random input with more of it than `npm test` has. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { prepare, root, runCommandLine } from '../../deploy/local/prepare.mjs';

const usage = `npm run test:fuzz -- [options]
  --seed N   decides all that chance decides (at random)
  --runs N   random inputs (100000)`;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: { seed: { type: 'string' }, runs: { type: 'string', default: '100000' } },
    });
    for (const [name, value] of Object.entries(values)) {
      if (!/^\d{1,9}$/.test(value)) throw new Error(`--${name} must be a whole number of at most 9 digits`);
    }
    return values;
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${usage}\n`);
    process.exit(2);
  }
}

const { seed, runs } = readOptions();
process.env.TEST_FUZZ_RUNS = runs;
if (seed !== undefined) process.env.TEST_FUZZ_SEED = seed;
await runCommandLine(async () => {
  await prepare();
  const { runTests } = await import(pathToFileURL(join(root, 'dist/deploy/local/run-tests.js')).href);
  await runTests(['test/fuzz.e2e.test.ts']);
});
