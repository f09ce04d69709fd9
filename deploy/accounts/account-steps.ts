import type { AccountStatus } from '../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId } from '../../shared/contracts/primitives.ts';
import { commandIdOf } from '../../shared/messaging/command-id.ts';
import type { CommandToSend } from '../../shared/messaging/ledger-client/index.ts';

/** An account as it should be once it is open. Amounts are decimal strings, zero included. */
export interface AccountToOpen {
  readonly id: AccountId;
  readonly name: string;
  readonly balance: string;
  /** Part of the balance; becomes one hold when above zero. */
  readonly held: string;
  readonly status: AccountStatus;
  /** Left out, the contract's defaults. */
  readonly currency?: string;
  readonly decimals?: number;
}

/** What it takes to make an account. */
export type AccountStepKind = 'open' | 'add' | 'subtract' | 'close';

/** One command on the way from nothing to the account. */
export type AccountStep = {
  [Kind in AccountStepKind]: {
    readonly kind: Kind;
    readonly command: CommandToSend<Kind> & { readonly id: CommandId };
  };
}[AccountStepKind];

/**
 * The commands that make the account, in order. Their ids depend on `origin` (where the account comes from), the account
 * and the step alone: sending them again repeats commands that the ledger knows, and changes nothing.
 */
export function accountSteps(origin: string, account: AccountToOpen): AccountStep[] {
  const { id: accountId, name, balance, held, status, currency, decimals } = account;
  const to = (kind: AccountStepKind) => ({ id: commandIdOf(origin, `${accountId} ${kind}`), accountId });
  const money = { ...(currency !== undefined && { currency }), ...(decimals !== undefined && { decimals }) };
  const steps: AccountStep[] = [{ kind: 'open', command: { ...to('open'), name, ...money } }];
  if (isAboveZero(balance)) steps.push({ kind: 'add', command: { ...to('add'), amount: balance } });
  if (isAboveZero(held)) steps.push({ kind: 'subtract', command: { ...to('subtract'), amount: held } });
  if (status === 'closed') steps.push({ kind: 'close', command: to('close') });
  return steps;
}

function isAboveZero(amount: string): boolean {
  return /[1-9]/u.test(amount);
}
