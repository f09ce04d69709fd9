import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { messageOf } from '../../shared/telemetry/describe-error.ts';
import { listenForStop } from '../../deploy/local/stop-request.ts';
import { say } from '../../deploy/local/progress.ts';
import { runCampaign } from './campaign.ts';
import { runMutants, taskNames } from './mutants/run-mutants.ts';
import { faultKinds } from './plan.ts';
import { reportOf } from './report.ts';
import { makeRunFolder, Servers } from './stack/chaos-stack.ts';

const usage = `npm run test:chaos -- [options]
  --seed N       decides all that chance decides (at random)
  --minutes M    how long faults are done (2)
  --mutants      instead: are deliberate mistakes in the code found out?
  --only TEXT    only those faults, mutants and scenarios whose names hold it`;

interface Order {
  readonly seed: number;
  readonly minutes: number;
  readonly mutants: boolean;
  readonly only: string;
}

/** `npm run test:chaos`. Resolves with the exit code: 0 when nothing is wrong, 1 when something is, 2 for wrong options. */
export async function main(root: string, args: readonly string[]): Promise<number> {
  const order = readOrder(args);
  if (order === undefined) return 2;
  if (order.mutants) return mutantsMain(root, order.only);
  const { seed, minutes } = order;
  const stop = listenForStop();
  const folder = await makeRunFolder();
  say(`seed ${seed}, ${minutes} minutes, in ${folder.path}`);
  const servers = await Servers.start(folder.path, say, true);
  let isClean = false;
  try {
    if (servers.disks.size === 0) say('no disk is filled: only root may mount small ones');
    const result = await runCampaign({
      root,
      folder: folder.path,
      servers,
      seed,
      minutes,
      only: order.only,
      say,
      stop: stop.asked,
    });
    process.stdout.write(reportOf(seed, result));
    isClean = result.problems.length === 0;
  } finally {
    await servers.stop();
    if (isClean) await folder.remove();
    else
      process.stdout.write(
        `\nseed ${seed}; the history is kept in ${folder.path}/history.jsonl\n` +
          `again: npm run test:chaos -- --seed ${seed} --minutes ${minutes}${order.only === '' ? '' : ` --only '${order.only}'`}\n`,
      );
  }
  return isClean ? 0 : 1;
}

async function mutantsMain(root: string, only: string): Promise<number> {
  const folder = await makeRunFolder();
  const problems = await runMutants({ root, folder: folder.path, only, say });
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  if (problems.length > 0) {
    process.stdout.write(`what they left is in ${folder.path}\n`);
    return 1;
  }
  await folder.remove();
  return 0;
}

function readOrder(args: readonly string[]): Order | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string' },
        minutes: { type: 'string', default: '2' },
        mutants: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
      },
    });
    const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
    const minutes = Number(values.minutes);
    if (!Number.isInteger(seed)) throw new Error('--seed must be a whole number');
    if (!(minutes > 0)) throw new Error('--minutes must be more than 0');
    const names = values.mutants ? taskNames : faultKinds;
    if (!names.some((name) => name.includes(values.only)))
      throw new Error(`--only ${values.only} is in none of: ${names.join('; ')}`);
    return { seed, minutes, mutants: values.mutants, only: values.only };
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n\n${usage}\n`);
    return undefined;
  }
}
