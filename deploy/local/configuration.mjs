/* `npm run docs:configuration`: writes what the code knows: docs/configuration.md, .env.example and deploy/nats/users.conf. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root, runCommandLine } from './prepare.mjs';

await runCommandLine(async () => {
  await prepare();
  const { envExample, natsUsersConf, withTables } = await import(
    pathToFileURL(join(root, 'dist/deploy/local/configuration-page.js')).href
  );
  const page = join(root, 'docs/configuration.md');
  writeFileSync(page, withTables(readFileSync(page, 'utf8')));
  writeFileSync(join(root, '.env.example'), envExample());
  writeFileSync(join(root, 'deploy/nats/users.conf'), natsUsersConf());
});
