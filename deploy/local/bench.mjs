/* `npm run bench`: makes the clone ready, then measures. Its arguments go to the benchmark. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root, runCommandLine } from './prepare.mjs';

await runCommandLine(async () => {
  await prepare();
  const { runBench } = await import(pathToFileURL(join(root, 'dist/bench/main.js')).href);
  // The listeners for signals would keep the process: it ends when the benchmark has.
  process.exit(await runBench(root, process.argv.slice(2)));
});
