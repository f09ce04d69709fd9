import type { DueAction } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../shared/contracts/primitives.ts';
import { sha256 } from '../../../shared/hashing/sha256.ts';
import { canonicalDecimal } from '../../../shared/money/money.ts';
import type { Micros } from './time.ts';

interface AccountCommand {
  readonly id: CommandId;
  readonly accountId: AccountId;
  /** Past it the command is not decided any more. */
  readonly deadline: Micros | null;
  readonly traceparent: string | null;
  /** Nobody waits for the answer: a refusal is told as a fact instead. */
  readonly unattended: boolean;
}

export interface OpenCommand extends AccountCommand {
  readonly kind: 'open';
  readonly name: string;
  readonly currency: string;
  readonly decimals: number;
  /** A decimal string: which minor units it is, the decimals tell. */
  readonly overdraftLimit: string;
  /** JSON text. */
  readonly metadata: string | null;
}

export interface SetLimitCommand extends AccountCommand {
  readonly kind: 'set-limit';
  /** A decimal string: which minor units it is, only the account tells. */
  readonly overdraftLimit: string;
  /** It is changed only if the account's last entry has this seq; null if that does not matter. */
  readonly expectedVersion: number | null;
}

export interface CloseCommand extends AccountCommand {
  readonly kind: 'close';
  /** It is closed only if its last entry has this seq; null if that does not matter. */
  readonly expectedVersion: number | null;
}

export interface AddCommand extends AccountCommand {
  readonly kind: 'add';
  /** A decimal string: which minor units it is, only the account tells. */
  readonly amount: string;
  /** What it is for, in the caller's words. */
  readonly reference: string | null;
}

export interface SubtractCommand extends AccountCommand {
  readonly kind: 'subtract';
  /** A decimal string: which minor units it is, only the account tells. */
  readonly amount: string;
  readonly onDue: DueAction;
  /** When its hold falls due; null as the ledger is set to. */
  readonly dueInSeconds: number | null;
  /** What it is for, in the caller's words. */
  readonly reference: string | null;
}

export interface SettleCommand extends AccountCommand {
  readonly kind: 'settle';
  readonly holdId: HoldId;
  /** A decimal string: how much of what is held is taken. Null is all of it. */
  readonly amount: string | null;
}

export interface ReleaseCommand extends AccountCommand {
  readonly kind: 'release';
  readonly holdId: HoldId;
}

export interface ExtendCommand extends AccountCommand {
  readonly kind: 'extend';
  readonly holdId: HoldId;
  /** From now until the hold falls due, unless it falls due later anyway. */
  readonly dueInSeconds: number;
}

export interface TransferCommand extends AccountCommand {
  readonly kind: 'transfer';
  /** The account that is paid: never the one that pays, which is the command's own. */
  readonly toAccountId: AccountId;
  /** A decimal string: which minor units it is, only the accounts tell. */
  readonly amount: string;
  /** What it is for, in the caller's words. */
  readonly reference: string | null;
}

/** What a `settle-due` means for one of the holds that are due; no caller sends it. */
export interface EndDueHoldCommand extends AccountCommand {
  readonly kind: 'end-due-hold';
  readonly holdId: HoldId;
}

/** A command about a hold that is there. */
export type HoldCommand = SettleCommand | ReleaseCommand | ExtendCommand | EndDueHoldCommand;

export type Command =
  OpenCommand | SetLimitCommand | CloseCommand | AddCommand | SubtractCommand | TransferCommand | HoldCommand;

/** The accounts that commands may change, each once. */
export function accountsOf(commands: readonly Command[]): AccountId[] {
  const ids = new Set<AccountId>();
  for (const command of commands) {
    ids.add(command.accountId);
    if (command.kind === 'transfer') ids.add(command.toAccountId);
  }
  return [...ids];
}

/** Whether the command is about a hold that is there, which must be read before it is decided. */
export function namesHold(command: Command): command is HoldCommand {
  return 'holdId' in command;
}

/** What a command id is unique in: one string for the pair. */
export type CommandKey = string & { readonly __brand: 'CommandKey' };

/** Two commands with the same key are the same command, sent again, or a conflict. */
export function commandKey(accountId: AccountId, commandId: CommandId): CommandKey {
  return `${accountId}/${commandId}` as CommandKey;
}

/**
 * What a command means, in 16 bytes: the first half of SHA-256 over kind, account and options, not over its id,
 * trace or deadline. Amounts enter in one spelling (`"1"`, `"1.0"` and `"1.00"` are the same), so the fingerprint
 * needs no knowledge of the account and also exists for an account that is not there.
 *
 * 128 bits: it only has to notice a caller's own mistake, and it is kept with every entry.
 */
export function fingerprintOf(command: Command): Buffer {
  return sha256(JSON.stringify(meaningOf(command))).subarray(0, 16);
}

function meaningOf(command: Command): readonly (string | number | null)[] {
  switch (command.kind) {
    case 'open':
      return [
        command.kind,
        command.accountId,
        command.name,
        command.currency,
        command.decimals,
        canonicalDecimal(command.overdraftLimit),
        command.metadata,
      ];
    case 'set-limit':
      return [
        command.kind,
        command.accountId,
        canonicalDecimal(command.overdraftLimit),
        command.expectedVersion,
      ];
    case 'close':
      return [
        command.kind,
        command.accountId,
        // Nothing for what was left out, as below.
        ...(command.expectedVersion === null ? [] : [command.expectedVersion]),
      ];
    case 'add':
      return [
        command.kind,
        command.accountId,
        canonicalDecimal(command.amount),
        ...(command.reference === null ? [] : [command.reference]),
      ];
    case 'subtract':
      return [
        command.kind,
        command.accountId,
        canonicalDecimal(command.amount),
        ...subtractOptionsOf(command),
      ];
    case 'transfer':
      return [
        command.kind,
        command.accountId,
        command.toAccountId,
        canonicalDecimal(command.amount),
        command.reference,
      ];
    case 'settle':
      return [
        command.kind,
        command.accountId,
        command.holdId,
        command.amount === null ? null : canonicalDecimal(command.amount),
      ];
    case 'extend':
      return [command.kind, command.accountId, command.holdId, command.dueInSeconds];
    case 'release':
    case 'end-due-hold':
      return [command.kind, command.accountId, command.holdId];
  }
}

/** Nothing for what was left out: commands from before there were such options are told by the same fingerprint. */
function subtractOptionsOf({
  onDue,
  dueInSeconds,
  reference,
}: SubtractCommand): readonly (string | number | null)[] {
  if (reference !== null) return [onDue, dueInSeconds, reference];
  return onDue === 'settle' && dueInSeconds === null ? [] : [onDue, dueInSeconds];
}
