import { addMoney, formatMoney, zeroMoney, type Money } from '../../shared/money/money.ts';

/** How many rows or accounts, and the sums of their money. */
export interface Totals {
  readonly rows: number;
  readonly balance: Money;
  readonly held: Money;
}

export const noTotals: Totals = { rows: 0, balance: zeroMoney, held: zeroMoney };

export function addTotals(left: Totals, right: Totals): Totals {
  return {
    rows: left.rows + right.rows,
    balance: addMoney(left.balance, right.balance),
    held: addMoney(left.held, right.held),
  };
}

/** What there was, and what became of it: `source` should be the sum of the other two. */
export interface Tally {
  /** As the old database sums up its table. */
  readonly source: Totals;
  /** As the journal here has it. */
  readonly opened: Totals;
  /** Rows that have no account here. */
  readonly leftOut: Totals;
}

/** Whether every row and every unit of money is accounted for. */
export function isComplete({ source, opened, leftOut }: Tally): boolean {
  const sum = addTotals(opened, leftOut);
  return sum.rows === source.rows && sum.balance === source.balance && sum.held === source.held;
}

/** A table of the tally for people, and what follows from it. */
export function describeTally(tally: Tally, openedWord: string, decimals: number): string {
  const { source, opened, leftOut } = tally;
  const cells = [
    ['', 'rows', 'balance', 'held'],
    ...(
      [
        ['read', source],
        ['left out', leftOut],
        [openedWord, opened],
      ] as const
    ).map(([name, totals]) => [
      name,
      String(totals.rows),
      formatMoney(totals.balance, decimals),
      formatMoney(totals.held, decimals),
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  return `${lines.join('\n')}\n${verdictOn(tally, openedWord)}`;
}

function verdictOn(tally: Tally, openedWord: string): string {
  if (!isComplete(tally)) {
    return `The totals are NOT equal: ${openedWord} and left out do not add up to what was read.`;
  }
  const { rows } = tally.leftOut;
  return rows === 0
    ? 'The totals are equal, and no row was left out.'
    : `The totals are equal, but rows were left out (${rows}), and their money is not here.`;
}
