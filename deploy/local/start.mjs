/* `npm start`: makes the clone ready, then runs everything, or with --print-config says with which settings. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root, runCommandLine } from './prepare.mjs';

await runCommandLine(async () => {
  const startedAtMs = performance.timeOrigin;
  await prepare();
  const { runLocal } = await import(pathToFileURL(join(root, 'dist/deploy/local/main.js')).href);
  await runLocal(startedAtMs, process.argv.slice(2));
});
