/* `npm test`: makes the clone ready, then runs the tests with the servers they need. `--create-db` is
 * ours, all other arguments go to jest. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root, runCommandLine } from './prepare.mjs';

await runCommandLine(async () => {
  await prepare();
  const { runTests } = await import(pathToFileURL(join(root, 'dist/deploy/local/run-tests.js')).href);
  await runTests(process.argv.slice(2));
});
