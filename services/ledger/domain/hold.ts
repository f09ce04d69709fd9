import type { AccountStatus, DueAction, HoldStatus, HoldView } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../shared/contracts/primitives.ts';
import { formatUuid } from '../../../shared/contracts/uuid.ts';
import { sha256 } from '../../../shared/hashing/sha256.ts';
import { addMoney, formatMoney, money, type Money } from '../../../shared/money/money.ts';
import type { Account } from './account.ts';
import type { Entry } from './entry.ts';
import { formatSecond, microsOfSeconds, millisOf, secondsOf, type Micros } from './time.ts';

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
 * nobody else is there first.
 */
export function settleCommandIdFor(holdId: HoldId): CommandId {
  const bytes = sha256(`settle-due\0${holdId}`).subarray(0, 16);
  return formatUuid(bytes, 8, 'reserved') as CommandId;
}

/**
 * The details of the entry that makes a hold: beside what the entry says anyway, the due time in seconds is all that a
 * repeated command needs to be answered as it was the first time, and `onDue` where that is not the usual.
 */
export function holdDetails({ dueAt, onDue }: Hold): string {
  return `{"dueAt":${secondsOf(dueAt)}${onDue === 'settle' ? '' : `,"onDue":"${onDue}"`}}`;
}

/**
 * The details of the entry by which a caller ends a hold: what its repeated command tells of that moment and the entry does
 * not say anyway.
 *
 * @param released what a settle of a part gives back; zero when it takes all.
 */
export function endingDetails({ dueAt, onDue }: Hold, { status }: Account, released: Money): string {
  return JSON.stringify({
    dueAt: secondsOf(dueAt),
    ...(onDue !== 'settle' && { onDue }),
    accountStatus: status,
    ...(released > 0n && { released: released.toString() }),
  });
}

/** What {@link holdDetails} says. */
interface MadeDetails {
  readonly dueAt: number;
  readonly onDue?: DueAction;
}

/** What {@link endingDetails} says. */
interface EndedDetails extends MadeDetails {
  readonly accountStatus: AccountStatus;
  /** Minor units, which may be too many for a number of JSON. */
  readonly released?: string;
}

/** A hold as an entry left it. */
export type HoldAsOf = Pick<Hold, 'id' | 'amount' | 'status' | 'dueAt' | 'onDue'>;

/** What an entry about a hold tells of the moment in which it was written, beside its own fields. */
export interface HoldMoment {
  readonly hold: HoldAsOf;
  readonly accountStatus: AccountStatus;
}

/**
 * Read from an entry that made a hold, or by which a caller ended one. Undefined of any other, also of the end of a hold
 * that was due: nobody asks for that again.
 */
export function holdMomentOf({ kind, holdId, amount, details }: Entry): HoldMoment | undefined {
  if (holdId === null || details === null) return undefined;
  if (kind === 'subtract') {
    const { dueAt, onDue = 'settle' } = JSON.parse(details) as MadeDetails;
    const hold: HoldAsOf = { id: holdId, amount, status: 'pending', dueAt: microsOfSeconds(dueAt), onDue };
    return { hold, accountStatus: 'open' };
  }
  const { dueAt, onDue = 'settle', accountStatus, released = '0' } = JSON.parse(details) as EndedDetails;
  const hold: HoldAsOf = {
    id: holdId,
    amount: addMoney(amount, money(BigInt(released))),
    status: kind === 'release' ? 'released' : 'settled',
    dueAt: microsOfSeconds(dueAt),
    onDue,
  };
  return { hold, accountStatus };
}

/** Whether an entry ended a hold because it was due: those of callers say more of it, see {@link endingDetails}. */
export function isOfDueHold({ holdId, details }: Entry): boolean {
  return holdId !== null && details === null;
}

/** A hold as callers read it in outcomes and refusals. */
export function holdView(
  { id, amount, status, dueAt, onDue }: HoldAsOf,
  { decimals }: Pick<Account, 'decimals'>,
): HoldView {
  return { id, amount: formatMoney(amount, decimals), status, dueAt: formatSecond(dueAt), onDue };
}
