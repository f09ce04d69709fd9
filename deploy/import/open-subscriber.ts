import type { ErrorCode } from '../../shared/contracts/error-codes.ts';
import type { EntryDetail } from '../../shared/contracts/queries.ts';
import type { LedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { addMoney, parseMoney, zeroMoney, type Money } from '../../shared/money/money.ts';
import { accountSteps, type AccountStep } from '../accounts/account-steps.ts';
import { MendableProblem } from '../accounts/mendable-problem.ts';
import { openAccount } from '../accounts/open-account.ts';
import type { SubscriberAccount } from './subscriber.ts';
import type { Totals } from './tally.ts';
import type { Opened } from './walk-rows.ts';

/** Part of the ids of the commands that open the accounts, the same in every run. */
const origin = 'import subscribers';

const queryMs = 10_000;

/** An account that was just opened has no more; one that has been in use since has its first ones here. */
const entriesPerPage = 10;

const importedOtherwise =
  'another run has imported it with other values: the row, --currency, --decimals or --amounts has changed since';

/** Not about this account: the next one would fare no better. */
const unreachable: ReadonlySet<ErrorCode> = new Set(['unavailable', 'overloaded', 'outcome_unknown']);

/**
 * Opens the account here, unless that was done before, and reads from the journal what was booked for it. Throws a
 * `MendableProblem` when the ledger can't be reached.
 */
export async function openSubscriber(ledger: LedgerClient, account: SubscriberAccount): Promise<Opened> {
  const steps = accountSteps(origin, account);
  const { done, failed } = await openAccount(ledger, steps);
  if (failed === undefined) {
    return { ok: true, totals: await readBooked(ledger, account, steps), isNew: done.length > 0 };
  }
  const { code, detail } = failed.error;
  if (unreachable.has(code)) throw notReached(detail);
  // The ids are made of the account's: what the ledger says of them is no help to whoever imports.
  const why = code === 'idempotency_conflict' ? importedOtherwise : detail;
  return { ok: false, reason: `${failed.kind} was refused: ${why} (${code})` };
}

/** Opens nothing, and answers what would be booked. */
export function planSubscriber({ balance, held, decimals }: SubscriberAccount): Opened {
  return {
    ok: true,
    totals: { rows: 1, balance: amountOf(balance, decimals), held: amountOf(held, decimals) },
    isNew: true,
  };
}

/**
 * What the journal says of the steps, whatever else has happened to the account since: a hold that was settled, money
 * that came and went.
 */
async function readBooked(
  ledger: LedgerClient,
  { id: accountId, decimals }: SubscriberAccount,
  steps: readonly AccountStep[],
): Promise<Totals> {
  const missing = new Set(steps.map(({ command }) => command.id));
  let totals: Totals = { rows: 1, balance: zeroMoney, held: zeroMoney };
  let afterSeq = 0;
  while (missing.size > 0) {
    const answer = await ledger.ask(
      'entries',
      { accountId, afterSeq, limit: entriesPerPage },
      { deadlineMs: queryMs },
    );
    if (!answer.ok) throw notReached(answer.error.detail);
    for (const entry of answer.entries) {
      if (missing.delete(entry.commandId)) totals = book(totals, entry, decimals);
    }
    // Then it is not in the books, and the totals will tell.
    if (answer.entries.length < entriesPerPage) break;
    afterSeq = answer.entries.at(-1)?.seq ?? afterSeq;
  }
  return totals;
}

function book(totals: Totals, { kind, amount }: EntryDetail, decimals: number): Totals {
  const booked = amountOf(amount, decimals);
  if (kind === 'add') return { ...totals, balance: addMoney(totals.balance, booked) };
  if (kind === 'subtract') return { ...totals, held: addMoney(totals.held, booked) };
  return totals;
}

function amountOf(text: string, decimals: number): Money {
  const amount = parseMoney(text, decimals);
  if (amount === undefined) throw new Error(`${text} has more than ${decimals} decimals`);
  return amount;
}

function notReached(detail: string): MendableProblem {
  return new MendableProblem(
    `the ledger does not answer (${detail}). What is opened stays so: run the same again when it is back`,
  );
}
