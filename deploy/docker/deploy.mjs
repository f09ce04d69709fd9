/* What `./deploy.sh` runs: makes the clone ready, then does what it was asked to. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root, runCommandLine } from '../local/prepare.mjs';

await runCommandLine(async () => {
  await prepare();
  const { deploy } = await import(pathToFileURL(join(root, 'dist/deploy/docker/main.js')).href);
  process.exitCode = await deploy(root, process.argv.slice(2));
});
