import type { SourceTable } from './source-table.ts';
import {
  moneyOf,
  readSubscriber,
  type MoneyRules,
  type SubscriberAccount,
  type SubscriberRow,
} from './subscriber.ts';
import { addTotals, noTotals, type Tally, type Totals } from './tally.ts';

/** A row that has no account here, by its number in the table's order, from 1. */
export interface BadRow {
  readonly number: number;
  readonly id: string | null;
  readonly reason: string;
}

/** What became of one account. */
export type Opened =
  | { readonly ok: true; readonly totals: Totals; /** Whether it was done now. */ readonly isNew: boolean }
  | { readonly ok: false; readonly reason: string };

export interface WalkOptions {
  readonly money: MoneyRules;
  /** What to do with an account; what it throws ends the walk. */
  readonly open: (account: SubscriberAccount) => Promise<Opened>;
  readonly onBadRow: (row: BadRow) => void;
  /** Called with the number of rows that are done. */
  readonly onProgress: (rows: number) => void;
}

/** Opens the account of each row, a page of rows side by side; a row that can't have one is told, and the others go on. */
export async function walkRows(
  table: SourceTable,
  options: WalkOptions,
): Promise<Tally & { readonly newAccounts: number }> {
  let opened = noTotals;
  let leftOut = noTotals;
  let newAccounts = 0;
  let rowsDone = 0;
  for await (const page of table.pages()) {
    const results = await Promise.all(
      page.map(async (row) => ({ row, result: await openRow(row, options) })),
    );
    for (const { row, result } of results) {
      rowsDone += 1;
      if (result.ok) {
        opened = addTotals(opened, result.totals);
        newAccounts += result.isNew ? 1 : 0;
      } else {
        options.onBadRow({ number: rowsDone, id: row.id, reason: result.reason });
        leftOut = addTotals(leftOut, totalsOf(row, options.money));
      }
    }
    options.onProgress(rowsDone);
  }
  return { source: table.totals, opened, leftOut, newAccounts };
}

async function openRow(row: SubscriberRow, { money, open }: WalkOptions): Promise<Opened> {
  const read = readSubscriber(row, money);
  return read.ok ? open(read.account) : { ok: false, reason: read.problems.join('; ') };
}

function totalsOf({ balance, hold }: SubscriberRow, rules: MoneyRules): Totals {
  return { rows: 1, balance: moneyOf(balance, rules), held: moneyOf(hold, rules) };
}
