import type { AccountId, HoldId } from '../../../shared/contracts/primitives.ts';
import { accountsOf, commandKey, namesHold, type Command } from '../domain/commands.ts';
import type { BatchChanges, BatchState } from '../domain/execute-batch.ts';
import type { OutboxMessage, StoredMessage } from './outbox-message.ts';
import { CommitUnknownError, faultKindOf } from './faults.ts';
import type { Answer, Statement } from './pipeline.ts';
import type { Micros } from '../domain/time.ts';
import { accountOf, type AccountRow } from './statements/account-row.ts';
import { claimSettling, type ClaimRow } from './statements/claim-settling.ts';
import { holdOf, type LocatedHoldRow } from './statements/hold-row.ts';
import { lockAccounts } from './statements/lock-accounts.ts';
import { lockAbsentAccounts } from './statements/lock-absent-accounts.ts';
import { entriesOf, lookUp, refusalsOf, type LookUpRow } from './statements/look-up.ts';
import { pickDueHolds, type DueRange, type PickedRow } from './statements/pick-due-holds.ts';
import { readHolds, readPickedHolds } from './statements/read-holds.ts';
import {
  fillChanges,
  writeChanges,
  type FilledChanges,
  type WrittenOutboxRow,
} from './statements/write-changes.ts';
import type { Session, WriteConnection } from './write-connection.ts';

const begin: Statement = { name: 'begin', text: 'BEGIN ISOLATION LEVEL READ COMMITTED' };
const commit: Statement = { name: 'commit', text: 'COMMIT' };
const rollback: Statement = { name: 'rollback', text: 'ROLLBACK' };

interface Loaded {
  readonly state: BatchState;
  /** Of the holds that were read. */
  readonly holdCtids: ReadonlyMap<HoldId, string>;
}

/** A batch's transaction once its accounts are locked and its state is loaded. */
export interface BatchTransaction {
  readonly state: BatchState;
  /** Makes changes ready to be written. */
  fill(changes: BatchChanges): FilledChanges;
  /**
   * Writes changes that others of the same transaction will follow, and does something else while Postgres writes.
   *
   * @returns what `meanwhile` returned, once both are done.
   */
  writeWhile<T>(changes: FilledChanges, meanwhile: () => T): Promise<T>;
  /**
   * Writes the last changes, or all of them, and commits. When it returns, everything is on disk. Without it nothing is
   * written.
   *
   * @throws CommitUnknownError when the connection was lost after COMMIT was sent; any other error means that nothing
   *   was written.
   */
  save<M extends OutboxMessage>(
    changes: FilledChanges,
    messages: readonly M[],
    sentOutboxIds: readonly bigint[],
  ): Promise<StoredMessage<M>[]>;
}

/** How far a transaction has come. */
interface Progress {
  stage: 'read' | 'written' | 'saved';
}

/**
 * Runs `work` in one transaction whose accounts are locked and whose state is loaded. When it fails, nothing is
 * written, except after a {@link CommitUnknownError}, and the session is fit for the next batch.
 */
export async function inBatchTransaction<T>(
  connection: WriteConnection,
  commands: readonly Command[],
  work: (transaction: BatchTransaction) => Promise<T>,
): Promise<T> {
  return onSession(connection, async (session, progress) =>
    work(openTransaction(session, progress, await beginBatch(session, commands))),
  );
}

/** Due holds that nobody else is settling, and the books' time. */
export interface DuePick {
  /** False when another ledger is settling just now. */
  readonly claimed: boolean;
  readonly now: Micros;
  readonly holds: readonly PickedRow[];
}

/** Locks the accounts of holds and loads the state to settle them on, and does something else while Postgres is at it. */
export type LoadWhile = <T>(
  holds: readonly PickedRow[],
  meanwhile: () => T,
) => Promise<readonly [BatchTransaction, T]>;

/** As {@link inBatchTransaction}, for holds that fell due: picks some first, and `work` loads those that it settles. */
export async function inSettleTransaction<T>(
  connection: WriteConnection,
  due: DueRange,
  work: (pick: DuePick, load: LoadWhile) => Promise<T>,
): Promise<T> {
  return onSession(connection, async (session, progress) => {
    const [, claim, picked] = await session.pipeline([begin, claimSettling(), pickDueHolds(due)]);
    const claimRow = claim?.rows[0] as ClaimRow | undefined;
    if (claimRow === undefined) throw new Error('the claim gave no row');
    const { claimed, now } = claimRow;
    const holds = claimed ? ((picked?.rows ?? []) as PickedRow[]) : [];
    return work({ claimed, now, holds }, loadOn(session, progress, []));
  });
}

/** As {@link inSettleTransaction}, for a share of the holds that another transaction has picked. */
export async function inShareTransaction<T>(
  connection: WriteConnection,
  work: (load: LoadWhile) => Promise<T>,
): Promise<T> {
  return onSession(connection, async (session, progress) => work(loadOn(session, progress, [begin])));
}

/** @param before what is sent in the same pipeline, ahead of what loads. */
function loadOn(session: Session, progress: Progress, before: readonly Statement[]): LoadWhile {
  return async (holds, meanwhile) => {
    const [answers, result] = await pipelineWhile(session, [...before, ...loadPickedHolds(holds)], meanwhile);
    return [openTransaction(session, progress, loadedFrom(answers.slice(before.length))), result];
  };
}

/** Runs a transaction on the connection's session, and leaves none open: what `run` did not save is rolled back. */
async function onSession<T>(
  connection: WriteConnection,
  run: (session: Session, progress: Progress) => Promise<T>,
): Promise<T> {
  const session = await connection.session();
  const progress: Progress = { stage: 'read' };
  try {
    const result = await run(session, progress);
    if (progress.stage === 'written') throw new Error('changes were written, but not saved');
    if (progress.stage === 'read') await session.pipeline([rollback]);
    return result;
  } catch (error) {
    await abandon(connection, session, error);
    throw error;
  }
}

function openTransaction(
  session: Session,
  progress: Progress,
  { state, holdCtids }: Loaded,
): BatchTransaction {
  return {
    state,
    fill: (changes) => fillChanges(changes, holdCtids),
    writeWhile: async (changes, meanwhile) => {
      if (changes.length === 0) return meanwhile();
      progress.stage = 'written';
      const [, result] = await pipelineWhile(session, [writeChanges(changes, [], [])], meanwhile);
      return result;
    },
    save: async (changes, messages, sentOutboxIds) => {
      const rows = await save(session, writeChanges(changes, messages, sentOutboxIds));
      progress.stage = 'saved';
      const ids = new Map(rows.map((row) => [row.message_id, row.id]));
      return messages.map((message) => ({ id: rowIdOf(message, ids), message }));
    },
  };
}

function rowIdOf({ messageId }: OutboxMessage, ids: ReadonlyMap<string, bigint>): bigint {
  const id = ids.get(messageId);
  if (id === undefined) throw new Error(`${messageId} was written but has no row in the outbox`);
  return id;
}

/** Does something else while Postgres answers, and waits for both: a rejection that nobody waits for ends the process. */
async function pipelineWhile<T>(
  session: Session,
  statements: readonly Statement[],
  meanwhile: () => T,
): Promise<readonly [Answer[], T]> {
  const pipeline = session.pipeline(statements);
  let result: T;
  try {
    result = meanwhile();
  } catch (error) {
    await pipeline;
    throw error;
  }
  return [await pipeline, result];
}

/** BEGIN, locks and look-ups in one pipeline: each is a statement of its own, so each sees what the locks waited for. */
async function beginBatch(session: Session, commands: readonly Command[]): Promise<Loaded> {
  const accountIds = accountsOf(commands);
  const repeatable = commands.filter((command) => command.kind !== 'end-due-hold');
  const load = loadStatements(accountIds, repeatable, readNamedHolds(commands));
  const loaded = loadedFrom((await session.pipeline([begin, ...load])).slice(1));

  const absent = accountIds.filter((id) => !loaded.state.accounts.has(id));
  if (absent.length === 0) return loaded;

  // Begun again from the start, so that the locks of absent accounts come before every row lock.
  const answers = await session.pipeline([rollback, begin, lockAbsentAccounts(absent), ...load]);
  return loadedFrom(answers.slice(3));
}

/** By their keys: nobody has picked them. */
function readNamedHolds(commands: readonly Command[]): Statement[] {
  const naming = commands.filter(namesHold);
  if (naming.length === 0) return [];
  return [
    readHolds(
      naming.map((command) => command.accountId),
      naming.map((command) => command.holdId),
    ),
  ];
}

function loadPickedHolds(holds: readonly PickedRow[]): Statement[] {
  const accountIds = distinct(holds.map((hold) => hold.account_id));
  return loadStatements(accountIds, [], [readPickedHolds(holds.map((hold) => hold.ctid))]);
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/** Settlings of what is due are not looked up: a hold's own status says whether it has ended, as its entry is written with it. */
function loadStatements(
  accountIds: readonly AccountId[],
  repeatable: readonly Pick<Command, 'accountId' | 'id'>[],
  holds: readonly Statement[],
): Statement[] {
  return [
    lockAccounts(accountIds),
    lookUp(
      repeatable.map((command) => command.accountId),
      repeatable.map((command) => command.id),
    ),
    ...holds,
  ];
}

function loadedFrom([accounts, lookedUp, holds]: readonly Answer[]): Loaded {
  const found = lookedUp?.rows[0] as LookUpRow | undefined;
  if (accounts === undefined || found === undefined) throw new Error('the look-up gave no row');
  const accountRows = accounts.rows as AccountRow[];
  const holdRows = (holds?.rows ?? []) as LocatedHoldRow[];
  const state: BatchState = {
    now: found.now,
    realNow: found.real_now,
    accounts: new Map(accountRows.map((row) => [row.id, accountOf(row)])),
    applied: new Map(entriesOf(found).map((entry) => [commandKey(entry.accountId, entry.commandId), entry])),
    refused: new Map(refusalsOf(found).map((kept) => [commandKey(kept.accountId, kept.commandId), kept])),
    holds: new Map(holdRows.map((row) => [row.id, holdOf(row)])),
  };
  return { state, holdCtids: new Map(holdRows.map((row) => [row.id, row.ctid])) };
}

async function save(session: Session, write: Statement): Promise<WrittenOutboxRow[]> {
  try {
    const [written, committed] = await session.pipeline([write, commit]);
    // A COMMIT of an aborted transaction is answered with ROLLBACK, not with an error.
    if (written === undefined || committed?.command !== 'COMMIT')
      throw new Error('COMMIT was answered with a rollback');
    return written.rows as WrittenOutboxRow[];
  } catch (error) {
    if (faultKindOf(error) !== 'connection') throw error;
    throw new CommitUnknownError('the connection was lost while COMMIT was under way', { cause: error });
  }
}

/** Leaves a clean session behind, or none. */
async function abandon(connection: WriteConnection, session: Session, error: unknown): Promise<void> {
  if (faultKindOf(error) === 'connection') {
    connection.discard();
    return;
  }
  try {
    await session.pipeline([rollback]);
  } catch {
    connection.discard();
  }
}
