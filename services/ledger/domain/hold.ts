import type { DueAction, HoldStatus, HoldView } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../shared/contracts/primitives.ts';
import { formatUuid } from '../../../shared/contracts/uuid.ts';
import { sha256 } from '../../../shared/hashing/sha256.ts';
import { formatMoney, type Money } from '../../../shared/money/money.ts';
import type { Account } from './account.ts';
import { reservedCommandId } from './reserved-command-id.ts';
import { formatSecond, millisOf, type Micros } from './time.ts';

/** Money set aside on an account until it is settled (taken) or released (given back). */
export interface Hold {
  readonly id: HoldId;
  readonly accountId: AccountId;
  readonly amount: Money;
  /** What is still held: the amount while pending, zero afterwards. */
  readonly remaining: Money;
  readonly status: HoldStatus;
  /** A whole second. */
  readonly dueAt: Micros;
  readonly onDue: DueAction;
  /** What it is for, in the words of who made it. */
  readonly reference: string | null;
  /** The command that made it. */
  readonly commandId: CommandId;
  /** W3C trace context of that command when it was sampled, so that the hold's end joins its trace. */
  readonly traceparent: string | null;
  /** 1 when made, one more with every change. */
  readonly version: number;
}

/**
 * The id of the hold that a command makes: a version 7 uuid whose time is the decision's and whose random part is
 * taken from the hash of the account and command id. So deciding a command stays a pure function, and two
 * commands still can't make the same id.
 */
export function holdIdFor(accountId: AccountId, commandId: CommandId, now: Micros): HoldId {
  const bytes = sha256(`hold\0${accountId}\0${commandId}`).subarray(0, 16);
  bytes.writeUIntBE(Math.floor(millisOf(now)), 0, 6);
  return formatUuid(bytes, 7) as HoldId;
}

/**
 * The id of the command that ends a due hold. Derived, so that the journal's own rule (one entry per account and
 * command id) makes a second end impossible, whoever tries; and of a variant that no caller's command can have, so that
 * nobody else is there first. It begins with the hold's time, as the hold's id does: ids that grow keep to one end of their
 * index. (One bit of 62 random ones goes to the variant.)
 */
export function settleCommandIdFor(holdId: HoldId): CommandId {
  const digit = Number.parseInt(holdId.charAt(19), 16);
  return reservedCommandId(`${holdId.slice(0, 14)}8${holdId.slice(15)}`, digit);
}

/** A hold as an entry left it. */
export type HoldAsOf = Pick<Hold, 'id' | 'amount' | 'status' | 'dueAt' | 'onDue' | 'reference'>;

/** A hold as callers read it in outcomes and refusals. */
export function holdView(
  { id, amount, status, dueAt, onDue, reference }: HoldAsOf,
  { decimals }: Pick<Account, 'decimals'>,
): HoldView {
  return {
    id,
    amount: formatMoney(amount, decimals),
    status,
    dueAt: formatSecond(dueAt),
    onDue,
    ...(reference !== null && { reference }),
  };
}
