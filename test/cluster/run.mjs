/* `npm run test:cluster`: makes the clone ready, then runs the cluster. */
import { register } from 'node:module';
import { prepare, ROOT, runCommandLine } from '../../deploy/local/prepare.mjs';

await runCommandLine(async () => {
  await prepare();
  register('../typescript-loader.mjs', import.meta.url);
  const { main } = await import('./main.ts');
  process.exit(await main(ROOT));
});
