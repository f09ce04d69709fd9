import { randomInt } from 'node:crypto';
import { say } from '../../deploy/local/progress.ts';
import { makeRunFolder } from '../chaos/stack/chaos-stack.ts';
import { reportOf } from './report.ts';
import { runCluster } from './run-cluster.ts';

/** `npm run test:cluster`. Resolves with the exit code: 0 when nothing is wrong, 1 when something is. */
export async function main(root: string): Promise<number> {
  const folder = await makeRunFolder();
  const seed = randomInt(2 ** 31);
  say(`seed ${seed}, in ${folder.path}`);
  const result = await runCluster({ root, folder: folder.path, seed, say });
  process.stdout.write(reportOf(result));
  if (result.problems.length > 0) {
    process.stdout.write(`\nthe history is kept in ${folder.path}/history.jsonl\n`);
    return 1;
  }
  await folder.remove();
  return 0;
}
