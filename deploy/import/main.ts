import { SettingsError } from '../../shared/config/parse-settings.ts';
import { withLedger } from '../accounts/connect-ledger.ts';
import { MendableProblem } from '../accounts/mendable-problem.ts';
import { clearProgress, progress } from '../local/progress.ts';
import { openSubscriber, planSubscriber } from './open-subscriber.ts';
import { readOptions, usage, type ImportOptions } from './options.ts';
import { withSourceTable, type SourceTable } from './source-table.ts';
import { describeTally, isComplete } from './tally.ts';
import { walkRows, type WalkOptions } from './walk-rows.ts';

/** `npm run import-subscribers -- --from URL`: opens the accounts of the old service's subscribers. */

const exitCode = { allThere: 0, notAll: 1, notDone: 2 } as const;

async function main(): Promise<number> {
  const words = process.argv.slice(2);
  if (words.includes('--help')) {
    process.stdout.write(`${usage}\n`);
    return exitCode.allThere;
  }
  const options = readOptions(words);
  return withSourceTable(options, (table) =>
    options.dryRun
      ? run(table, options, (account) => Promise.resolve(planSubscriber(account)))
      : withLedger('import-subscribers', process.env, (ledger) =>
          run(table, options, (account) => openSubscriber(ledger, account)),
        ),
  );
}

async function run(
  table: SourceTable,
  { money, dryRun }: ImportOptions,
  open: WalkOptions['open'],
): Promise<number> {
  const { newAccounts, ...tally } = await walkRows(table, {
    money,
    open,
    onBadRow: ({ number, id, reason }) => {
      clearProgress();
      process.stdout.write(`row ${number} (${id ?? 'no id'}): ${reason}\n`);
    },
    onProgress: progress(dryRun ? 'checking' : 'opening', table.totals.rows),
  });
  const { opened, leftOut } = tally;
  process.stdout.write(`${describeTally(tally, dryRun ? 'to open' : 'opened', money.decimals)}\n`);
  if (!dryRun) {
    process.stdout.write(`${newAccounts} opened now, ${opened.rows - newAccounts} had been before.\n`);
  }
  return leftOut.rows === 0 && isComplete(tally) ? exitCode.allThere : exitCode.notAll;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof MendableProblem || error instanceof SettingsError)) throw error;
  process.stderr.write(`import-subscribers: ${error.message}\n`);
  process.exitCode = exitCode.notDone;
}
