import {
  addMoney,
  formatMoney,
  maxMinorUnits,
  money,
  parseMoney,
  subtractMoney,
  zeroMoney,
  type Money,
} from '../../../shared/money/money.ts';
import type { EntryKind } from '../../../shared/contracts/outcomes.ts';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { availableOf, type Account } from './account.ts';
import type {
  AddCommand,
  CloseCommand,
  Command,
  ExtendCommand,
  HoldCommand,
  OpenCommand,
  ReleaseCommand,
  SetLimitCommand,
  SettleCommand,
  EndDueHoldCommand,
  SubtractCommand,
  TransferCommand,
} from './commands.ts';
import { chainStart } from './entry.ts';
import {
  holdChangeDetails,
  holdDetails,
  referenceDetails,
  transferInDetails,
  transferOutDetails,
} from './entry-details.ts';
import { holdIdFor, holdView, type Hold } from './hold.ts';
import type { Refusal } from './refusals.ts';
import { addMillis, ceilToSecond, laterOf, type Micros } from './time.ts';

/** What a decision may depend on, beside the command. */
export interface Situation {
  /** The account before the command; undefined when there is none. */
  readonly account: Account | undefined;
  /** The account that a transfer pays; undefined for other commands, or when there is none. */
  readonly toAccount: Account | undefined;
  /** The hold that the command names; undefined when it names none, or there is none. */
  readonly hold: Hold | undefined;
  readonly now: Micros;
  /** How long after a subtract its hold falls due when it does not say so itself, in milliseconds. */
  readonly holdPeriodMs: number;
}

/** What a command does to an account, its hold and the journal. */
export interface Change {
  /** Of the entry that tells of it. */
  readonly kind: EntryKind;
  /** The account afterwards, but for its place in the journal (seq, chain head, time). */
  readonly account: Account;
  readonly amount: Money;
  /** JSON text for the entry. */
  readonly details: string | null;
  /** The hold that was made or changed. */
  readonly hold?: Hold;
}

interface Refused {
  readonly refusal: Refusal;
}

/** What a command comes to that is not refused. */
export interface Effect {
  /** Of the command's own account. */
  readonly change: Change;
  /** Of the account that a transfer pays. */
  readonly receipt?: Change;
}

export type Decision = Effect | Refused;

/**
 * Whether a command is applied to its account, and to what effect: a pure function of command, state and time.
 * Refusals are checked in the order of `refusalPrecedence`.
 */
export function decide(command: Command, situation: Situation): Decision {
  switch (command.kind) {
    case 'open':
      return decideOpen(command, situation);
    case 'set-limit':
      return decideSetLimit(command, situation);
    case 'close':
      return decideClose(command, situation);
    case 'add':
      return decideAdd(command, situation);
    case 'subtract':
      return decideSubtract(command, situation);
    case 'transfer':
      return decideTransfer(command, situation);
    case 'settle':
      return decideSettle(command, situation);
    case 'release':
      return decideRelease(command, situation);
    case 'extend':
      return decideExtend(command, situation);
    case 'end-due-hold':
      return decideEndDue(command, situation);
  }
}

function decideOpen(command: OpenCommand, { account, now }: Situation): Decision {
  if (account !== undefined) {
    return refuse({ code: 'account_exists', detail: `Account ${account.id} is already there.` });
  }
  const limit = readAmount(command.overdraftLimit, command.decimals, 'overdraftLimit');
  if (typeof limit !== 'bigint') return limit;
  return {
    change: {
      kind: 'open',
      account: {
        id: command.accountId,
        name: command.name,
        currency: command.currency,
        decimals: command.decimals,
        balance: zeroMoney,
        held: zeroMoney,
        overdraftLimit: limit,
        status: 'open',
        metadata: command.metadata,
        seq: 0,
        chainHead: chainStart(command.accountId),
        lastEntryAt: now,
      },
      amount: zeroMoney,
      details: JSON.stringify({
        name: command.name,
        currency: command.currency,
        decimals: command.decimals,
        ...(command.metadata !== null && { metadata: JSON.parse(command.metadata) as unknown }),
      }),
    },
  };
}

function decideSetLimit(command: SetLimitCommand, { account }: Situation): Decision {
  if (account === undefined) return notFound(command.accountId);
  if (account.status === 'closed') return closed(account);
  if (hasOtherVersion(account, command)) return otherVersion(account, command);
  const limit = readAmount(command.overdraftLimit, account.decimals, 'overdraftLimit');
  if (typeof limit !== 'bigint') return limit;
  // What the limit is lowered by must be available.
  const lowered = subtractMoney(account.overdraftLimit, limit);
  if (availableOf(account) < lowered) return insufficient(account, lowered, 'to lower the limit by');
  return {
    change: {
      kind: 'set-limit',
      account: { ...account, overdraftLimit: limit },
      amount: zeroMoney,
      details: null,
    },
  };
}

function decideClose(command: CloseCommand, { account }: Situation): Decision {
  if (account === undefined) return notFound(command.accountId);
  if (account.status === 'closed') return closed(account);
  if (hasOtherVersion(account, command)) return otherVersion(account, command);
  return {
    change: { kind: 'close', account: { ...account, status: 'closed' }, amount: zeroMoney, details: null },
  };
}

function decideAdd(command: AddCommand, { account }: Situation): Decision {
  if (account === undefined) return notFound(command.accountId);
  if (account.status === 'closed') return closed(account);
  const amount = readAmount(command.amount, account.decimals, 'amount');
  if (typeof amount !== 'bigint') return amount;
  const balance = addMoney(account.balance, amount);
  if (balance > maxMinorUnits) return tooLarge('With this amount the balance', account.decimals);
  const details = referenceDetails(command.reference);
  return { change: { kind: 'add', account: { ...account, balance }, amount, details } };
}

function decideSubtract(command: SubtractCommand, { account, now, holdPeriodMs }: Situation): Decision {
  if (account === undefined) return notFound(command.accountId);
  if (account.status === 'closed') return closed(account);
  const amount = readAmount(command.amount, account.decimals, 'amount');
  if (typeof amount !== 'bigint') return amount;
  const held = addMoney(account.held, amount);
  // Only an overdraft lets the available balance go beyond what may be held.
  if (held > maxMinorUnits) return tooLarge('With this amount what is held', account.decimals);
  if (availableOf(account) < amount) return insufficient(account, amount);
  const { onDue, dueInSeconds, reference } = command;
  const dueAt = ceilToSecond(addMillis(now, dueInSeconds === null ? holdPeriodMs : dueInSeconds * 1_000));
  const hold: Hold = {
    id: holdIdFor(account.id, command.id, now),
    accountId: account.id,
    amount,
    remaining: amount,
    status: 'pending',
    dueAt,
    onDue,
    reference,
    commandId: command.id,
    traceparent: command.traceparent,
    version: 1,
  };
  return {
    change: {
      kind: 'subtract',
      account: { ...account, held },
      amount,
      details: holdDetails(hold),
      hold,
    },
  };
}

function decideTransfer(command: TransferCommand, { account, toAccount }: Situation): Decision {
  const { accountId, toAccountId, reference } = command;
  if (account === undefined) return notFound(accountId);
  if (toAccount === undefined) return notFound(toAccountId);
  for (const each of [account, toAccount]) if (each.status === 'closed') return closed(each);
  const { currency, decimals } = account;
  if (currency !== toAccount.currency || decimals !== toAccount.decimals) {
    const [from, to] = [account, toAccount].map((each) => `${each.currency} with ${each.decimals} decimals`);
    const detail = `Account ${accountId} is of ${from}, account ${toAccountId} of ${to}.`;
    return refuse({ code: 'currency_mismatch', detail });
  }
  const amount = readAmount(command.amount, decimals, 'amount');
  if (typeof amount !== 'bigint') return amount;
  const received = addMoney(toAccount.balance, amount);
  if (received > maxMinorUnits) return tooLarge('With this amount the balance that is paid into', decimals);
  if (availableOf(account) < amount) return insufficient(account, amount);
  return {
    change: {
      kind: 'transfer-out',
      account: { ...account, balance: subtractMoney(account.balance, amount) },
      amount,
      details: transferOutDetails(toAccountId, reference),
    },
    receipt: {
      kind: 'transfer-in',
      account: { ...toAccount, balance: received },
      amount,
      details: transferInDetails(accountId, command.id, reference),
    },
  };
}

function decideSettle(command: SettleCommand, situation: Situation): Decision {
  const found = findPending(command, situation);
  if ('refusal' in found) return found;
  const { account, hold } = found;
  const { decimals } = account;
  const amount = command.amount === null ? hold.remaining : readAmount(command.amount, decimals, 'amount');
  if (typeof amount !== 'bigint') return amount;
  if (amount > hold.remaining) {
    const [asked, held] = [formatMoney(amount, decimals), formatMoney(hold.remaining, decimals)];
    const detail = `${asked} was asked, hold ${hold.id} is of ${held}: settle at most that, as another command.`;
    return refuse({ code: 'amount_too_large', detail, hold: holdView(hold, account) });
  }
  const details = holdChangeDetails(hold, account, subtractMoney(hold.remaining, amount));
  return settle(account, hold, amount, details);
}

function decideRelease(command: ReleaseCommand, situation: Situation): Decision {
  const found = findPending(command, situation);
  if ('refusal' in found) return found;
  const { account, hold } = found;
  return release(account, hold, holdChangeDetails(hold, account, zeroMoney));
}

/** What it holds stays as it is. It may have been due already, and nobody has ended it yet. */
function decideExtend(command: ExtendCommand, situation: Situation): Decision {
  const found = findPending(command, situation);
  if ('refusal' in found) return found;
  const { account } = found;
  const asked = ceilToSecond(addMillis(situation.now, command.dueInSeconds * 1_000));
  const dueAt = laterOf(found.hold.dueAt, asked);
  const hold = { ...found.hold, dueAt, version: found.hold.version + 1 };
  const details = holdChangeDetails(hold, account, zeroMoney);
  return { change: { kind: 'extend', account, amount: hold.remaining, details, hold } };
}

function decideEndDue(command: EndDueHoldCommand, situation: Situation): Decision {
  const found = findPending(command, situation);
  if ('refusal' in found) return found;
  const { account, hold } = found;
  // It was due when it was picked; its account was locked only later.
  if (hold.dueAt > situation.now) {
    const detail = `Hold ${hold.id} was extended, and is not due.`;
    return refuse({ code: 'hold_not_pending', detail, hold: holdView(hold, account) });
  }
  return hold.onDue === 'release'
    ? release(account, hold, referenceDetails(hold.reference))
    : settle(account, hold, hold.remaining, referenceDetails(hold.reference));
}

/** Takes an amount, and with it ends the hold: the rest is available again. */
function settle(account: Account, hold: Hold, amount: Money, details: string | null): Decision {
  return {
    change: {
      kind: 'settle',
      account: {
        ...account,
        balance: subtractMoney(account.balance, amount),
        held: subtractMoney(account.held, hold.remaining),
      },
      amount,
      details,
      hold: { ...hold, status: 'settled', remaining: zeroMoney, version: hold.version + 1 },
    },
  };
}

/** Takes nothing: all that was held is available again. */
function release(account: Account, hold: Hold, details: string | null): Decision {
  return {
    change: {
      kind: 'release',
      account: { ...account, held: subtractMoney(account.held, hold.remaining) },
      amount: hold.remaining,
      details,
      hold: { ...hold, status: 'released', remaining: zeroMoney, version: hold.version + 1 },
    },
  };
}

/** The hold that a command names, if it is pending. A closed account still has its holds, so its status is not asked. */
function findPending(
  command: HoldCommand,
  { account, hold }: Situation,
): { readonly account: Account; readonly hold: Hold } | Refused {
  if (account === undefined) return notFound(command.accountId);
  if (hold === undefined || hold.accountId !== account.id) {
    return refuse({ code: 'hold_not_found', detail: `Account ${account.id} has no hold ${command.holdId}.` });
  }
  if (hold.status !== 'pending') {
    const detail = `Hold ${hold.id} is ${hold.status} already.`;
    return refuse({ code: 'hold_not_pending', detail, hold: holdView(hold, account) });
  }
  return { account, hold };
}

type VersionedCommand = SetLimitCommand | CloseCommand;

function hasOtherVersion({ seq }: Account, { expectedVersion }: VersionedCommand): boolean {
  return expectedVersion !== null && expectedVersion !== seq;
}

function otherVersion({ id, seq }: Account, { expectedVersion }: VersionedCommand): Refused {
  const detail = `Account ${id} is at version ${seq}, not ${expectedVersion}: look at it again.`;
  return refuse({ code: 'version_conflict', detail });
}

function refuse(refusal: Refusal): Refused {
  return { refusal };
}

function notFound(accountId: AccountId): Refused {
  return refuse({ code: 'account_not_found', detail: `There is no account ${accountId}.` });
}

/** @param what the amount is, where it is not what was asked for. */
function insufficient(account: Account, amount: Money, what = ''): Refused {
  const { decimals } = account;
  const texts = {
    available: formatMoney(availableOf(account), decimals),
    requested: formatMoney(amount, decimals),
  };
  const asked = what === '' ? `${texts.requested} was asked` : `It is ${what} ${texts.requested}`;
  const detail = `${asked}, ${texts.available} is available.`;
  return refuse({ code: 'insufficient_funds', detail, ...texts });
}

function closed(account: Account): Refused {
  return refuse({ code: 'account_closed', detail: `Account ${account.id} is closed.` });
}

function tooLarge(what: string, decimals: number): Refused {
  return refuse({
    code: 'amount_too_large',
    detail: `${what} would pass ${formatMoney(money(maxMinorUnits), decimals)}.`,
  });
}

/** The minor units of a well-formed amount, or why this account can't take it. */
function readAmount(text: string, decimals: number, field: string): Money | Refused {
  const amount = parseMoney(text, decimals);
  if (amount === undefined) {
    const message = `must have at most ${decimals} decimals, as the account's currency has; amounts are not rounded`;
    return refuse({ code: 'invalid_request', detail: `${field} ${message}.`, fields: [{ field, message }] });
  }
  if (amount > maxMinorUnits) return tooLarge(`${field} is too large: it`, decimals);
  return amount;
}
