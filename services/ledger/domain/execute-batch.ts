import type { AccountStatus, EntryKind } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../shared/contracts/primitives.ts';
import type { Account } from './account.ts';
import { commandKey, namesHold, fingerprintOf, type Command, type CommandKey } from './commands.ts';
import { decide, type Change, type Effect } from './decide.ts';
import { momentOf } from './entry-details.ts';
import { chainEntry, type Entry } from './entry.ts';
import type { Hold, HoldAsOf } from './hold.ts';
import type { KeptRefusal, Refusal } from './refusals.ts';
import { laterOf, type Micros } from './time.ts';
import { receiptCommandIdFor } from './transfer.ts';

/** Everything that decisions depend on, as it was once the accounts were locked, or as the commands before have left it. */
export interface BatchState {
  /** The books' time: of entries, and of when holds fall due. */
  readonly now: Micros;
  /** What deadlines are in. It is another one where a test clock was moved. */
  readonly realNow: Micros;
  readonly accounts: ReadonlyMap<AccountId, Account>;
  /** The entries and refusals that commands with the ids of this batch led to before. */
  readonly applied: ReadonlyMap<CommandKey, Entry>;
  readonly refused: ReadonlyMap<CommandKey, KeptRefusal>;
  /** The holds that commands of this batch name. */
  readonly holds: ReadonlyMap<HoldId, Hold>;
}

/** What decided commands leave behind: all of it is written in one statement, or none. */
export interface BatchChanges {
  readonly openedAccounts: readonly Account[];
  readonly changedAccounts: readonly Account[];
  readonly entries: readonly Entry[];
  readonly newHolds: readonly Hold[];
  readonly changedHolds: readonly Hold[];
  readonly refusals: readonly KeptRefusal[];
}

/** An account as of an entry: what a caller is told. */
export interface AccountAsOf {
  readonly account: Pick<Account, 'id' | 'name' | 'currency' | 'decimals' | 'metadata'>;
  readonly status: AccountStatus;
}

/** An entry, and the account that it is of. */
interface Receipt {
  readonly entry: Entry;
  readonly account: AccountAsOf['account'];
}

/** What a trace tells of a hold's end. */
export type EndedHold = Pick<Hold, 'id' | 'status' | 'traceparent'>;

/** A command that is in the books. */
export interface Applied {
  readonly type: 'applied';
  readonly replayed: boolean;
  readonly entry: Entry;
  readonly asOf: AccountAsOf;
  /** What it is for, in its caller's words. */
  readonly reference: string | null;
  readonly hold?: HoldAsOf;
  /** The account that a transfer has paid. */
  readonly toAccountId?: AccountId;
  /** The entry that a transfer has made just now on the account that it pays: for its fact. */
  readonly receipt?: Receipt;
  /** The hold that a caller's command has ended just now: for the trace of the command that made it. */
  readonly endedHold?: EndedHold;
}

export type Outcome =
  | Applied
  | { readonly type: 'refused'; readonly replayed: boolean; readonly refusal: Refusal }
  /** Past its deadline when its turn came: not applied, and it never will be. */
  | { readonly type: 'expired' };

/** What the commands of a batch came to. */
export interface BatchResult {
  /** One per command, in the same order. */
  readonly outcomes: readonly Outcome[];
  readonly changes: BatchChanges;
  /** What further commands of the same transaction are decided on. */
  readonly after: BatchState;
}

/**
 * Decides the commands of a batch one after the other, each on what the ones before it left. Pure: the same state
 * and commands give the same result, and cutting the same commands into other batches gives the same outcomes.
 */
export function executeBatch(
  commands: readonly Command[],
  state: BatchState,
  holdPeriodMs: number,
): BatchResult {
  const batch = new OpenBatch(state);
  const outcomes = commands.map((command) => executeOne(command, batch, holdPeriodMs));
  return { outcomes, changes: batch.changes(), after: batch.after() };
}

function executeOne(command: Command, batch: OpenBatch, holdPeriodMs: number): Outcome {
  const key = commandKey(command.accountId, command.id);
  const fingerprint = fingerprintOf(command);

  const earlier = batch.earlierOutcome(key, fingerprint);
  if (earlier !== undefined) return earlier;
  if (command.deadline !== null && command.deadline <= batch.realNow) return { type: 'expired' };

  const decision = decide(command, {
    account: batch.account(command.accountId),
    toAccount: command.kind === 'transfer' ? batch.account(command.toAccountId) : undefined,
    hold: namesHold(command) ? batch.hold(command.holdId) : undefined,
    now: batch.now,
    holdPeriodMs,
  });
  return 'refusal' in decision
    ? batch.refuse(command, key, fingerprint, decision.refusal)
    : batch.apply(command, key, fingerprint, decision);
}

/** The state of a batch while its commands are decided. */
class OpenBatch {
  readonly now: Micros;
  readonly realNow: Micros;
  readonly #state: BatchState;
  readonly #accounts: Map<AccountId, Account>;
  readonly #holds: Map<HoldId, Hold>;
  readonly #applied: Map<CommandKey, Entry>;
  readonly #refused: Map<CommandKey, KeptRefusal>;
  readonly #touchedAccounts = new Set<AccountId>();
  readonly #touchedHolds = new Set<HoldId>();
  readonly #entries: Entry[] = [];
  readonly #refusals: KeptRefusal[] = [];

  constructor(state: BatchState) {
    this.now = state.now;
    this.realNow = state.realNow;
    this.#state = state;
    this.#accounts = new Map(state.accounts);
    this.#holds = new Map(state.holds);
    this.#applied = new Map(state.applied);
    this.#refused = new Map(state.refused);
  }

  account(id: AccountId): Account | undefined {
    return this.#accounts.get(id);
  }

  hold(id: HoldId): Hold | undefined {
    return this.#holds.get(id);
  }

  /** What the same command id led to before: its outcome again, or a conflict when it meant something else then. */
  earlierOutcome(key: CommandKey, fingerprint: Buffer): Outcome | undefined {
    const entry = this.#applied.get(key);
    if (entry !== undefined)
      return entry.fingerprint.equals(fingerprint) ? this.#outcomeOf(entry, true) : idempotencyConflict;
    const kept = this.#refused.get(key);
    if (kept === undefined) return undefined;
    return kept.fingerprint.equals(fingerprint)
      ? { type: 'refused', replayed: true, refusal: kept.refusal }
      : idempotencyConflict;
  }

  refuse(command: Command, key: CommandKey, fingerprint: Buffer, refusal: Refusal): Outcome {
    // Ending what is due is nobody's request: nobody waits for the refusal, and the hold's status says it all.
    if (command.kind !== 'end-due-hold') {
      const kept = {
        accountId: command.accountId,
        commandId: command.id,
        fingerprint,
        refusal,
        at: this.now,
      };
      this.#refused.set(key, kept);
      this.#refusals.push(kept);
    }
    return { type: 'refused', replayed: false, refusal };
  }

  apply(command: Command, key: CommandKey, fingerprint: Buffer, { change, receipt }: Effect): Outcome {
    const entry = this.#append(change, command.id, fingerprint);
    this.#applied.set(key, entry);
    const isEnded = change.hold !== undefined && change.hold.status !== 'pending';
    const isEndedByCaller = isEnded && command.kind !== 'end-due-hold';
    const outcome = this.#outcomeOf(entry, false, isEndedByCaller ? change.hold : undefined);
    if (receipt === undefined) return outcome;
    const { account } = receipt;
    const commandId = receiptCommandIdFor(command.accountId, command.id);
    return { receipt: { entry: this.#append(receipt, commandId, fingerprint), account }, ...outcome };
  }

  #append(change: Change, commandId: CommandId, fingerprint: Buffer): Entry {
    const { kind, account, hold, amount, details } = change;
    const at = laterOf(this.now, account.lastEntryAt);
    const entry = chainEntry(account.chainHead, {
      accountId: account.id,
      seq: account.seq + 1,
      commandId,
      kind,
      amount,
      balance: account.balance,
      held: account.held,
      overdraftLimit: account.overdraftLimit,
      holdId: hold?.id ?? null,
      at,
      fingerprint,
      details,
    });
    this.#accounts.set(account.id, { ...account, seq: entry.seq, chainHead: entry.hash, lastEntryAt: at });
    this.#touchedAccounts.add(account.id);
    if (hold !== undefined) {
      this.#holds.set(hold.id, hold);
      this.#touchedHolds.add(hold.id);
    }
    this.#entries.push(entry);
    return entry;
  }

  changes(): BatchChanges {
    const accounts = present([...this.#touchedAccounts].map((id) => this.#accounts.get(id)));
    const holds = present([...this.#touchedHolds].map((id) => this.#holds.get(id)));
    return {
      openedAccounts: accounts.filter((account) => !this.#state.accounts.has(account.id)),
      changedAccounts: accounts.filter((account) => this.#state.accounts.has(account.id)),
      entries: this.#entries,
      newHolds: holds.filter((hold) => !this.#state.holds.has(hold.id)),
      changedHolds: holds.filter((hold) => this.#state.holds.has(hold.id)),
      refusals: this.#refusals,
    };
  }

  after(): BatchState {
    return {
      now: this.now,
      realNow: this.realNow,
      accounts: this.#accounts,
      applied: this.#applied,
      refused: this.#refused,
      holds: this.#holds,
    };
  }

  /** Rebuilt from the entry alone, so that the first answer and every repetition of it are the same. */
  #outcomeOf(entry: Entry, replayed: boolean, endedHold?: EndedHold): Applied {
    const account = this.#accounts.get(entry.accountId);
    if (account === undefined) throw new Error(`account ${entry.accountId} has an entry but is not there`);
    const { reference, hold, toAccountId, accountStatus } = momentOf(entry);
    return {
      type: 'applied',
      replayed,
      entry,
      asOf: { account, status: accountStatus ?? accountStatusAfter[entry.kind] ?? account.status },
      reference,
      ...(hold !== undefined && { hold }),
      ...(toAccountId !== undefined && { toAccountId }),
      ...(endedHold !== undefined && { endedHold }),
    };
  }
}

const idempotencyConflict: Outcome = {
  type: 'refused',
  replayed: false,
  refusal: {
    code: 'idempotency_conflict',
    detail:
      'This command id was used on this account for another command, which may well be applied. Look at the account’s entries before you send this one under a new id.',
  },
};

/** The status that an entry of a kind leaves behind; holds end, and are extended, on open and closed accounts alike. */
const accountStatusAfter: Record<EntryKind, AccountStatus | undefined> = {
  open: 'open',
  'set-limit': 'open',
  close: 'closed',
  add: 'open',
  subtract: 'open',
  settle: undefined,
  release: undefined,
  extend: undefined,
  'transfer-out': 'open',
  'transfer-in': 'open',
};

function present<T>(values: readonly (T | undefined)[]): T[] {
  return values.filter((value) => value !== undefined);
}
