/* `npm run test:chaos`: makes the clone ready, then runs the campaign or, with --mutants, the mutants. */
import { prepare, root, runCommandLine } from '../../deploy/local/prepare.mjs';

await runCommandLine(async () => {
  await prepare();
  await import('../support/register-typescript.mjs');
  const { main } = await import('./main.ts');
  // The listeners for signals would keep the process: it ends when the work has.
  process.exit(await main(root, process.argv.slice(2)));
});
