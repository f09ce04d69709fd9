import { accountIdSchema, limitSchema, nameSchema } from '../../shared/contracts/primitives.ts';
import { formatMoney, maxMinorUnits, money, type Money } from '../../shared/money/money.ts';
import type { AccountToOpen } from '../accounts/account-steps.ts';

/** A row of the old table as PostgreSQL writes it; a column may be empty. */
export interface SubscriberRow {
  readonly id: string | null;
  readonly name: string | null;
  /** A whole number, what is held included. */
  readonly balance: string | null;
  readonly hold: string | null;
  readonly status: boolean | null;
  /** How many rows have this id. */
  readonly copies: number;
}

/** How the table's numbers become money. */
export interface MoneyRules {
  /** Whether a 1 is one unit of the currency or the least part of one. */
  readonly amounts: 'whole' | 'minor';
  readonly currency: string;
  readonly decimals: number;
}

/** A subscriber as an account to open. */
export type SubscriberAccount = AccountToOpen & Required<Pick<AccountToOpen, 'currency' | 'decimals'>>;

/** The account that a row describes, or all that is wrong with it. */
export type ReadSubscriber =
  | { readonly ok: true; readonly account: SubscriberAccount }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads a row of the old table as an account to open here. */
export function readSubscriber(row: SubscriberRow, rules: MoneyRules): ReadSubscriber {
  const id = accountIdSchema.safeParse(row.id);
  const name = nameSchema.safeParse(row.name);
  const balance = readAmount('balance', row.balance, rules);
  const held = readAmount('hold', row.hold, rules);
  const problems = [
    ...(id.success ? [] : [`the id ${saidBy(id.error.issues)}`]),
    ...(id.success && row.copies > 1 ? [`${row.copies} rows have this id`] : []),
    ...(name.success ? [] : [`the name ${saidBy(name.error.issues)}`]),
    ...(row.status === null ? ['the status is empty'] : []),
    ...balance.problems,
    ...held.problems,
    ...(held.amount > balance.amount && balance.problems.length === 0
      ? ['the hold is more than the balance']
      : []),
  ];
  if (problems.length > 0 || !id.success || !name.success) return { ok: false, problems };
  const { currency, decimals } = rules;
  return {
    ok: true,
    account: {
      id: id.data,
      name: name.data,
      balance: formatMoney(balance.amount, decimals),
      held: formatMoney(held.amount, decimals),
      status: row.status === true ? 'open' : 'closed',
      currency,
      decimals,
    },
  };
}

/** A whole number of the table as money; nothing is no money. */
export function moneyOf(text: string | null, { amounts, decimals }: MoneyRules): Money {
  return money(BigInt(text ?? '0') * (amounts === 'whole' ? 10n ** BigInt(decimals) : 1n));
}

function readAmount(what: string, text: string | null, rules: MoneyRules) {
  const amount = moneyOf(text, rules);
  return { amount, problems: findAmountProblems(what, text, amount, rules) };
}

function findAmountProblems(what: string, text: string | null, amount: Money, rules: MoneyRules): string[] {
  if (text === null) return [`the ${what} is empty`];
  if (amount < 0n) return [`the ${what} is below zero`];
  const isWritable = limitSchema.safeParse(formatMoney(amount, rules.decimals)).success;
  return amount > maxMinorUnits || !isWritable ? [`the ${what} is more than an account can have`] : [];
}

function saidBy(issues: readonly { readonly message: string }[]): string {
  return issues[0]?.message ?? 'is not valid';
}
