import { addMoney, subtractMoney, type Money } from '../../../shared/money/money.ts';
import type { AccountStatus } from '../../../shared/contracts/outcomes.ts';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import type { Micros } from './time.ts';

/** An account as the ledger knows it between two entries. */
export interface Account {
  readonly id: AccountId;
  readonly name: string;
  readonly currency: string;
  readonly decimals: number;
  readonly balance: Money;
  readonly held: Money;
  readonly overdraftLimit: Money;
  readonly status: AccountStatus;
  /** JSON text, as the caller gave it. */
  readonly metadata: string | null;
  /** The seq of the last entry; the first entry of an account has seq 1. */
  readonly seq: number;
  /** The hash of the last entry. */
  readonly chainHead: Buffer;
  /** The time of the last entry. */
  readonly lastEntryAt: Micros;
}

/** What can be held or taken now: balance + overdraft limit − held. */
export function availableOf(account: Pick<Account, 'balance' | 'overdraftLimit' | 'held'>): Money {
  return subtractMoney(addMoney(account.balance, account.overdraftLimit), account.held);
}
