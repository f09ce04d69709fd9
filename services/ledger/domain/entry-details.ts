import type {
  AccountStatus,
  DueAction,
  EntryHold,
  EntryKind,
  EntryView,
  HoldStatus,
} from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId } from '../../../shared/contracts/primitives.ts';
import { addMoney, formatMoney, money, subtractMoney, type Money } from '../../../shared/money/money.ts';
import type { Account } from './account.ts';
import type { Entry } from './entry.ts';
import type { Hold, HoldAsOf } from './hold.ts';
import { formatSecond, microsOfSeconds, secondsOf } from './time.ts';

/*
 * What the entries that move money say in their `details`: JSON text that is hashed, so none of it ever changes. An entry
 * with nothing to add has none (null).
 */

/**
 * Of an `add`, and of the entry that ends a hold because it is due: nobody asks for that again, so it need not tell of the
 * moment.
 */
export function referenceDetails(reference: string | null): string | null {
  return reference === null ? null : JSON.stringify({ reference });
}

/**
 * Of the entry that makes a hold: beside what the entry says anyway, the due time in seconds is all that a repeated command
 * needs to be answered as it was the first time, and where they are not the usual `onDue` and the reference.
 */
export function holdDetails({ dueAt, onDue, reference }: Hold): string {
  // As text, since every second entry of a shop's is one of these: JSON.stringify takes 0.5 µs instead of 0.04.
  const action = onDue === 'settle' ? '' : `,"onDue":"${onDue}"`;
  const words = reference === null ? '' : `,"reference":${JSON.stringify(reference)}`;
  return `{"dueAt":${secondsOf(dueAt)}${action}${words}}`;
}

/**
 * Of the entry by which a caller ends or extends a hold: what its repeated command tells of that moment and the entry does
 * not say anyway.
 *
 * @param released what a settle of a part gives back; zero when it takes all.
 */
export function holdChangeDetails(
  { dueAt, onDue, reference }: Hold,
  { status }: Account,
  released: Money,
): string {
  return JSON.stringify({
    dueAt: secondsOf(dueAt),
    ...(onDue !== 'settle' && { onDue }),
    ...(reference !== null && { reference }),
    accountStatus: status,
    ...(released > 0n && { released: released.toString() }),
  });
}

/** Of the entry of the account that a transfer takes from. */
export function transferOutDetails(to: AccountId, reference: string | null): string {
  return JSON.stringify({ to, ...(reference !== null && { reference }) });
}

/** Of the entry of the account that a transfer pays: with the command's id, which this entry can't have as its own. */
export function transferInDetails(from: AccountId, commandId: CommandId, reference: string | null): string {
  return JSON.stringify({ from, commandId, ...(reference !== null && { reference }) });
}

/** What any of the above says. */
interface Details {
  readonly reference?: string;
  readonly to?: AccountId;
  readonly from?: AccountId;
  readonly commandId?: CommandId;
  readonly dueAt?: number;
  readonly onDue?: DueAction;
  readonly accountStatus?: AccountStatus;
  /** Minor units, which may be too many for a number of JSON. */
  readonly released?: string;
}

/** What an entry tells of the moment in which it was written, beside its own fields. */
export interface EntryMoment {
  readonly reference: string | null;
  /** Where a transfer made it: the other account. */
  readonly toAccountId?: AccountId;
  readonly fromAccountId?: AccountId;
  /** On the account that was paid: the transfer's command, of which this entry's id is made. */
  readonly transferId?: CommandId | undefined;
  /** The hold as the entry left it: where a hold was made or extended, or ended by a caller. */
  readonly hold?: HoldAsOf;
  /** Where a caller extended or ended a hold: that may be on a closed account. */
  readonly accountStatus?: AccountStatus | undefined;
}

const nothingTold: EntryMoment = { reference: null };

/** Read from the details of an entry of any kind. */
export function momentOf({ kind, holdId, amount, details }: Entry): EntryMoment {
  // Those of an `open` are the account's own.
  if (details === null || kind === 'open') return nothingTold;
  const read = JSON.parse(details) as Details;
  const { reference = null, to, from, commandId, dueAt, onDue = 'settle', accountStatus, released } = read;
  if (to !== undefined) return { reference, toAccountId: to };
  if (from !== undefined) return { reference, fromAccountId: from, transferId: commandId };
  if (holdId === null || dueAt === undefined) return { reference };
  // Without spreads, which take V8 several times as long as all of the rest.
  const hold: HoldAsOf = {
    id: holdId,
    amount: released === undefined ? amount : addMoney(amount, money(BigInt(released))),
    status: statusAfter(kind),
    dueAt: microsOfSeconds(dueAt),
    onDue,
    reference,
  };
  return { reference, hold, accountStatus };
}

function statusAfter(kind: EntryKind): HoldStatus {
  if (kind === 'subtract' || kind === 'extend') return 'pending';
  return kind === 'release' ? 'released' : 'settled';
}

/** What callers read of the other account of an entry that a transfer made. */
export function transferFields({
  toAccountId,
  fromAccountId,
  transferId,
}: Pick<EntryMoment, 'toAccountId' | 'fromAccountId' | 'transferId'>): TransferFields {
  if (toAccountId !== undefined) return { toAccountId };
  if (fromAccountId === undefined) return noTransfer;
  return { fromAccountId, ...(transferId !== undefined && { transferId }) };
}

type TransferFields = Pick<EntryView, 'toAccountId' | 'fromAccountId' | 'transferId'>;
const noTransfer: TransferFields = {};

/** What callers read of the hold that an entry makes, extends or ends. */
export function holdFields(entry: Entry, { hold }: Pick<EntryMoment, 'hold'>, decimals: number): EntryHold {
  if (entry.holdId === null) return {};
  return {
    holdId: entry.holdId,
    ...(hold?.status === 'pending' && { dueAt: formatSecond(hold.dueAt), onDue: hold.onDue }),
    ...(hold?.status === 'settled' &&
      hold.amount > entry.amount && {
        released: formatMoney(subtractMoney(hold.amount, entry.amount), decimals),
      }),
    // Where nobody ended it, details tell of no hold.
    ...(hold === undefined && { due: true }),
  };
}
