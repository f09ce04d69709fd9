import type { AccountStatus, DueAction, HoldStatus } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../shared/contracts/primitives.ts';
import { formatUuid } from '../../../shared/contracts/uuid.ts';
import { sha256 } from '../../../shared/hashing/sha256.ts';
import { addMoney, formatMoney, parseMoney, type Money } from '../../../shared/money/money.ts';
import type { Account } from './account.ts';
import type { Entry } from './entry.ts';
import { microsOfSeconds, millisOf, secondsOf, type Micros } from './time.ts';

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
 * repeated command needs to be answered as it was the first time. That it is to be released then is for the audit.
 */
export function holdDetails({ dueAt, onDue }: Hold): string {
  return `{"dueAt":${secondsOf(dueAt)}${onDue === 'release' ? ',"onDue":"release"' : ''}}`;
}

/**
 * The details of the entry by which a caller ends a hold: what its repeated command tells of that moment and the entry does
 * not say anyway.
 *
 * @param released what a settle of a part gives back; zero when it takes all.
 */
export function endingDetails({ dueAt }: Hold, { status, decimals }: Account, released: Money): string {
  return JSON.stringify({
    dueAt: secondsOf(dueAt),
    accountStatus: status,
    ...(released > 0n && { released: formatMoney(released, decimals) }),
  });
}

/** What {@link holdDetails} says. */
interface MadeDetails {
  readonly dueAt: number;
}

/** What {@link endingDetails} says. */
interface EndedDetails extends MadeDetails {
  readonly accountStatus: AccountStatus;
  /** A decimal string. */
  readonly released?: string;
}

/** A hold as an entry left it. */
export type HoldAsOf = Pick<Hold, 'id' | 'amount' | 'status' | 'dueAt'>;

/** What an entry about a hold tells of the moment in which it was written, beside its own fields. */
export interface HoldMoment {
  readonly hold: HoldAsOf;
  readonly accountStatus: AccountStatus;
}

/**
 * Read from an entry that made a hold, or by which a caller ended one. Undefined of any other, also of the end of a hold
 * that was due: nobody asks for that again.
 */
export function holdMomentOf(
  { kind, holdId, amount, details }: Entry,
  { decimals }: Pick<Account, 'decimals'>,
): HoldMoment | undefined {
  if (holdId === null || details === null) return undefined;
  if (kind === 'subtract') {
    const { dueAt } = JSON.parse(details) as MadeDetails;
    return {
      hold: { id: holdId, amount, status: 'pending', dueAt: microsOfSeconds(dueAt) },
      accountStatus: 'open',
    };
  }
  const { dueAt, accountStatus, released = '0' } = JSON.parse(details) as EndedDetails;
  const rest = parseMoney(released, decimals);
  if (rest === undefined) throw new Error(`the entry that ended hold ${holdId} released ${released}`);
  const status = kind === 'release' ? 'released' : 'settled';
  return {
    hold: { id: holdId, amount: addMoney(amount, rest), status, dueAt: microsOfSeconds(dueAt) },
    accountStatus,
  };
}
