import type { DueAction, HoldStatus } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../shared/contracts/primitives.ts';
import { formatUuid } from '../../../shared/contracts/uuid.ts';
import { sha256 } from '../../../shared/hashing/sha256.ts';
import type { Money } from '../../../shared/money/money.ts';
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
  /** W3C trace context of that command when it was sampled, so that the settling joins its trace. */
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
 * The id of the command that settles a due hold. Derived, so that the journal's own rule (one entry per account and
 * command id) makes a second settling impossible, whoever tries; and of a variant that no caller's command can have, so that
 * nobody else is there first.
 */
export function settleCommandIdFor(holdId: HoldId): CommandId {
  const bytes = sha256(`settle-due\0${holdId}`).subarray(0, 16);
  return formatUuid(bytes, 8, 'reserved') as CommandId;
}

/**
 * The details of the entry that makes a hold: beside what the entry says anyway, the due time in seconds is all that a
 * repeated command needs to be answered as it was the first time.
 */
export function holdDetails({ dueAt }: Hold): string {
  return `{"dueAt":${secondsOf(dueAt)}}`;
}

/** A hold as the entry that made it left it. */
export type HoldAsMade = Pick<Hold, 'id' | 'amount' | 'status' | 'dueAt'>;

/** The hold that an entry made, read from its {@link holdDetails}; undefined when it made none. */
export function holdAsMade({ kind, holdId, amount, details }: Entry): HoldAsMade | undefined {
  if (kind !== 'subtract' || holdId === null || details === null) return undefined;
  const { dueAt } = JSON.parse(details) as { dueAt: number };
  return { id: holdId, amount, status: 'pending', dueAt: microsOfSeconds(dueAt) };
}
