/* `npm run test:cluster`: makes the clone ready, then runs the cluster. */
import { prepare, root, runCommandLine } from '../../deploy/local/prepare.mjs';

await runCommandLine(async () => {
  await prepare();
  await import('../support/register-typescript.mjs');
  const { main } = await import('./main.ts');
  process.exit(await main(root));
});
