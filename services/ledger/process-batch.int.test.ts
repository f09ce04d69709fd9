import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { JetStreamClient } from '@nats-io/jetstream';
import { hash, randomUUID } from 'node:crypto';
import { Client, Pool } from 'pg';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { eventSchema, type EntryFact } from '../../shared/contracts/events.ts';
import { maxMessageBytes } from '../../shared/contracts/limits.ts';
import type { AccountId, CommandId, HoldId } from '../../shared/contracts/primitives.ts';
import { eventSubject } from '../../shared/contracts/subjects.ts';
import { money } from '../../shared/money/money.ts';
import { untilOutboxIsEmpty } from '../../test/support/outbox.ts';
import { startTcpProxy, type TcpProxy } from '../../test/support/tcp-proxy.ts';
import { Lane } from './batching/lane.ts';
import type { Command } from './domain/commands.ts';
import { chainStart, hashEntry, type Entry } from './domain/entry.ts';
import { executeBatch, type Outcome } from './domain/execute-batch.ts';
import { formatSecond, type Micros } from './domain/time.ts';
import { Outbox } from './outbox/outbox.ts';
import { decideAndSave, processBatch, type Books } from './process-batch.ts';
import { LockedAccounts } from './store/locked-accounts.ts';
import { runBatch, type Failure } from './run-batch.ts';
import { SettleDueTurns, type SettleDueAnswer } from './settle-due.ts';
import { inBatchTransaction, inSettleTransaction } from './store/batch-transaction.ts';
import type { Statement } from './store/pipeline.ts';
import { ledgerRoleOf } from './store/ledger-role.ts';
import { inUtf8 } from './store/database-encoding.ts';
import { migrate } from './store/migrate.ts';
import { OutboxTable } from './store/outbox-table.ts';
import { migrationConfig, sessionConfig, type DatabaseAddress } from './store/session.ts';
import { claimSettling } from './store/statements/claim-settling.ts';
import { entryColumns, entryOf, type EntryRow } from './store/statements/entry-row.ts';
import { lockAbsentAccounts } from './store/statements/lock-absent-accounts.ts';
import { lookUp } from './store/statements/look-up.ts';
import { pickDueHolds, type PickedRow } from './store/statements/pick-due-holds.ts';
import { readHolds, readPickedHolds } from './store/statements/read-holds.ts';
import { readRanges } from './store/statements/read-ranges.ts';
import { fillChanges, writeChanges } from './store/statements/write-changes.ts';
import { WriteConnection } from './store/write-connection.ts';

/** Interleavings of several ledgers on one database, ordered by locks that a further session holds. */

const env = process.env;
const address: DatabaseAddress = {
  host: env['TEST_DB_HOST'] ?? '127.0.0.1',
  port: Number(env['TEST_DB_PORT'] ?? 5432),
  user: env['TEST_DB_USER'] ?? 'holdfast',
  password: env['TEST_DB_PASSWORD'],
  name: `process_batch_${process.pid}`,
};
/** All that ledgers do here, they do with no more rights than they need. */
const role = ledgerRoleOf(address.name);
const logger = createLogger('test', 'silent');

let admin: Client;
/** Holds locks and looks at what the ledgers wrote. */
let observer: Client;
let pool: Pool;
/** Of the ledgers' own. */
let ledgerPool: Pool;
let lockedAccounts: LockedAccounts;
let proxy: TcpProxy;
const ledgers: Books[] = [];
const secondConnections: WriteConnection[] = [];

beforeAll(async () => {
  // Without the bounds of a ledger's session: on a busy machine a database is not dropped within them.
  admin = new Client(migrationConfig({ ...address, name: env['TEST_DB_NAME'] ?? 'postgres' }));
  await admin.connect();
  await admin.query(`CREATE DATABASE ${address.name} ${inUtf8}`);
  await migrate(address);
  pool = new Pool({ ...sessionConfig(address), max: 2 });
  ledgerPool = new Pool({ ...sessionConfig({ ...address, role }), max: 2 });
  // Dropping the database may overtake the last goodbye.
  for (const each of [pool, ledgerPool]) each.on('error', () => undefined);
  lockedAccounts = new LockedAccounts(ledgerPool, logger);
  proxy = await startTcpProxy(address);
});

afterAll(async () => {
  await Promise.all([pool.end(), ledgerPool.end()]);
  await proxy.close();
  await admin.query(`DROP DATABASE ${address.name} WITH (FORCE)`);
  await admin.query(`DROP ROLE ${role}`);
  await admin.end();
});

beforeEach(async () => {
  observer = new Client({ ...sessionConfig(address), options: '-c timezone=UTC' });
  await observer.connect();
});

afterEach(async () => {
  proxy.cut();
  await observer.end();
  await Promise.all(secondConnections.splice(0).map(async (connection) => connection.close()));
  await Promise.all(
    ledgers.splice(0).map(async ({ connection, outbox }) => {
      await outbox.stop();
      await connection.close();
    }),
  );
});

/** A broker that takes everything: what is tested here ends with the outbox's rows. */
const taker = { publish: async () => ({}) } as unknown as JetStreamClient;

const refuser = { publish: () => Promise.reject(new Error('no broker')) } as unknown as JetStreamClient;

function openLedger(port = address.port, holdPeriodMs = 600_000, jetstream = taker): Books {
  const connection = new WriteConnection({ ...address, port, role }, logger);
  const table = new OutboxTable(ledgerPool);
  const outbox = new Outbox({
    jetstream,
    maxPayload: () => maxMessageBytes,
    table,
    logger,
    metrics: createMetrics(),
    batchSpan: () => undefined,
  });
  const books = { connection, outbox, holdPeriodMs };
  ledgers.push(books);
  return books;
}

function run(ledger: Books, commands: readonly Command[], giveUpAfterMs = 20_000) {
  const queuedAtMs = performance.now();
  const waiting = commands.map((command) => ({
    command,
    queuedAtMs,
    giveUpAtMs: queuedAtMs + giveUpAfterMs,
  }));
  return runBatch(waiting, { process: (some) => processBatch(some, ledger), lockedAccounts, logger });
}

function common(accountId: AccountId) {
  const id = randomUUID() as CommandId;
  return { accountId, id, deadline: null, traceparent: null, unattended: false };
}

function opening(accountId: AccountId, name = 'Счёт', overdraftLimit = '0'): Command {
  return {
    ...common(accountId),
    kind: 'open',
    name,
    currency: 'EUR',
    decimals: 2,
    overdraftLimit,
    metadata: null,
  };
}

function adding(accountId: AccountId, amount: string, reference: string | null = null): Command {
  return { ...common(accountId), kind: 'add', amount, reference };
}

function subtracting(accountId: AccountId, amount: string, reference: string | null = null): Command {
  return { ...common(accountId), kind: 'subtract', amount, onDue: 'settle', dueInSeconds: null, reference };
}

function transferring(accountId: AccountId, toAccountId: AccountId, amount: string): Command {
  return { ...common(accountId), kind: 'transfer', toAccountId, amount, reference: null };
}

function settlingOf(accountId: AccountId, holdId: HoldId): Command {
  return { ...common(accountId), kind: 'end-due-hold', holdId };
}

function releasingOf(accountId: AccountId, holdId: HoldId): Command {
  return { ...common(accountId), kind: 'release', holdId };
}

function extendingOf(accountId: AccountId, holdId: HoldId): Command {
  return { ...common(accountId), kind: 'extend', holdId, dueInSeconds: 60 };
}

function settlingPartOf(accountId: AccountId, holdId: HoldId, amount: string): Command {
  return { ...common(accountId), kind: 'settle', holdId, amount };
}

/** An account with ten units, of which some are held. */
async function accountWithHold(
  amount: string,
  ledger = openLedger(),
): Promise<{ id: AccountId; holdId: HoldId }> {
  const id = await accountWith('10', ledger);
  const [held] = await processBatch([subtracting(id, amount)], ledger);
  if (held?.type !== 'applied' || held.hold === undefined) throw new Error('nothing was held');
  return { id, holdId: held.hold.id };
}

async function accountWith(amount: string, ledger = openLedger()): Promise<AccountId> {
  const id = randomUUID() as AccountId;
  await processBatch([opening(id), adding(id, amount)], ledger);
  return id;
}

/** One word for each outcome. */
function words(outcomes: readonly (Outcome | Failure)[]): string[] {
  return outcomes.map((outcome) => {
    if (outcome.type === 'refused') return `${outcome.replayed ? 'again ' : ''}${outcome.refusal.code}`;
    if (outcome.type === 'applied') return outcome.replayed ? 'again applied' : 'applied';
    return outcome.type === 'failed' ? outcome.code : outcome.type;
  });
}

function hashesOf(outcomes: readonly (Outcome | Failure)[]): (string | undefined)[] {
  return outcomes.map((outcome) =>
    outcome.type === 'applied' ? outcome.entry.hash.toString('hex') : undefined,
  );
}

async function entriesOf(id: AccountId): Promise<Entry[]> {
  const { rows } = await pool.query<EntryRow>(
    `SELECT ${entryColumns} FROM entries WHERE account_id = $1 ORDER BY seq`,
    [id],
  );
  return rows.map(entryOf);
}

async function refusalsOf(id: AccountId): Promise<string[]> {
  const { rows } = await pool.query<{ code: string }>(
    'SELECT code FROM refusals WHERE account_id = $1 ORDER BY at',
    [id],
  );
  return rows.map((row) => row.code);
}

/** The chain is whole, and the account and its holds are what the journal says. */
async function expectSoundBooks(id: AccountId): Promise<void> {
  const entries = await entriesOf(id);
  let previous = chainStart(id);
  for (const [index, entry] of entries.entries()) {
    expect(entry.seq).toBe(index + 1);
    expect(entry.hash).toEqual(hashEntry(previous, entry));
    previous = entry.hash;
  }
  const last = entries.at(-1);
  const { rows } = await pool.query(
    `SELECT balance, held, seq, chain_head,
       (SELECT coalesce(sum(remaining), 0)::bigint FROM holds WHERE account_id = $1) AS pending
     FROM accounts WHERE id = $1`,
    [id],
  );
  expect(rows).toEqual([
    {
      balance: last?.balance,
      held: last?.held,
      seq: BigInt(last?.seq ?? 0),
      chain_head: last?.hash,
      pending: last?.held,
    },
  ]);
}

/** Awaits a condition on the database, which is asked again and again. */
async function until(condition: string, values: unknown[] = []): Promise<void> {
  for (;;) {
    const { rows } = await pool.query<{ met: boolean }>(`SELECT (${condition}) AS met`, values);
    if (rows[0]?.met === true) return;
  }
}

const waiting = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
const waiters = `SELECT count(*) ${waiting}`;

/** Ends the sessions that wait for a lock. */
async function endWaiters(): Promise<void> {
  await observer.query(`SELECT pg_terminate_backend(pid) ${waiting}`);
}

/** Keeps an account locked until the returned function is called. */
async function lockAccount(id: AccountId): Promise<() => Promise<unknown>> {
  await observer.query('BEGIN');
  await observer.query('SELECT FROM accounts WHERE id = $1 FOR UPDATE', [id]);
  return () => observer.query('COMMIT');
}

describe('one command id', () => {
  test('twice in one batch is applied once', async () => {
    const id = await accountWith('10');
    const command = subtracting(id, '4');
    const outcomes = await processBatch([command, command], openLedger());
    expect(words(outcomes)).toEqual(['applied', 'again applied']);
    expect(new Set(hashesOf(outcomes)).size).toBe(1);
    await expectSoundBooks(id);
  });

  test('at three ledgers that hold the lock in turn is applied once, and answered alike', async () => {
    const id = await accountWith('10');
    const command = subtracting(id, '4');
    const release = await lockAccount(id);
    const attempts = [1, 2, 3].map(async () => processBatch([command], openLedger()));
    await until(`(${waiters}) = 3`);
    await release();
    const outcomes = (await Promise.all(attempts)).flat();
    expect(words(outcomes).toSorted()).toEqual(['again applied', 'again applied', 'applied']);
    expect(new Set(hashesOf(outcomes)).size).toBe(1);
    expect(await entriesOf(id)).toHaveLength(3);
    await expectSoundBooks(id);
  });

  test('is answered as of then, whatever has happened since', async () => {
    const [one, other] = [openLedger(), openLedger()];
    const id = await accountWith('10', one);
    const command = subtracting(id, '4');
    const [first] = await processBatch([command], one);
    await processBatch(
      [adding(id, '90'), subtracting(id, '50'), { ...common(id), kind: 'close', expectedVersion: null }],
      other,
    );
    const [again] = await processBatch([command], other);
    expect(again).toMatchObject({ type: 'applied', replayed: true, asOf: { status: 'open' } });
    for (const field of ['entry', 'hold'] as const)
      expect(again?.type === 'applied' && again[field]).toEqual(first?.type === 'applied' && first[field]);
  });

  test('with another meaning is a conflict and changes nothing', async () => {
    const id = await accountWith('10');
    const command = adding(id, '1.00');
    const [one, other] = [openLedger(), openLedger()];
    await processBatch([command], one);
    const changed = [{ ...command, amount: '2' } as Command, { ...command, amount: '1' } as Command];
    expect(words(await processBatch(changed, other))).toEqual(['idempotency_conflict', 'again applied']);
    expect(await refusalsOf(id)).toEqual([]);
    expect(await entriesOf(id)).toHaveLength(3);
  });

  test('that was refused stays refused when money comes', async () => {
    const [one, other] = [openLedger(), openLedger()];
    const id = await accountWith('1', one);
    const command = subtracting(id, '4');
    const [refused] = await processBatch([command], one);
    expect(refused).toMatchObject({ refusal: { code: 'insufficient_funds', available: '1.00' } });
    const outcomes = await processBatch([adding(id, '9'), command, subtracting(id, '4')], other);
    expect(words(outcomes)).toEqual(['applied', 'again insufficient_funds', 'applied']);
    expect(outcomes[1]).toEqual({ ...refused, replayed: true });
    await expectSoundBooks(id);
  });

  test('that was refused by one ledger while another waited for the lock is refused there too', async () => {
    const id = await accountWith('1');
    const command = subtracting(id, '4');
    const release = await lockAccount(id);
    const attempts = [1, 2].map(async () => processBatch([command, adding(id, '9')], openLedger()));
    await until(`(${waiters}) = 2`);
    await release();
    const outcomes = (await Promise.all(attempts)).flatMap((each) => words(each).slice(0, 1));
    expect(outcomes.toSorted()).toEqual(['again insufficient_funds', 'insufficient_funds']);
    expect(await refusalsOf(id)).toEqual(['insufficient_funds']);
  });
});

describe('a hold that is ended before it is due', () => {
  test('by two ledgers at once is ended by one of them', async () => {
    const { id, holdId } = await accountWithHold('4');
    const release = await lockAccount(id);
    const attempts = [releasingOf(id, holdId), settlingPartOf(id, holdId, '1')].map((command) =>
      processBatch([command], openLedger()),
    );
    await until(`(${waiters}) = 2`);
    await release();
    const outcomes = (await Promise.all(attempts)).flat();
    expect(words(outcomes).toSorted()).toEqual(['applied', 'hold_not_pending']);
    expect(await refusalsOf(id)).toEqual(['hold_not_pending']);
    expect(await entriesOf(id)).toHaveLength(4);
    await expectSoundBooks(id);
  });

  test('by one command at two ledgers is ended once, and both tell the same', async () => {
    const { id, holdId } = await accountWithHold('4');
    const command = settlingPartOf(id, holdId, '1.5');
    const release = await lockAccount(id);
    const attempts = [1, 2].map(() => processBatch([command], openLedger()));
    await until(`(${waiters}) = 2`);
    await release();
    const outcomes = (await Promise.all(attempts)).flat();
    expect(words(outcomes).toSorted()).toEqual(['again applied', 'applied']);
    expect(new Set(hashesOf(outcomes)).size).toBe(1);
    const hold = { id: holdId, amount: 400n, status: 'settled' };
    expect(outcomes).toMatchObject([{ hold }, { hold }]);
    expect((await entriesOf(id)).at(-1)).toMatchObject({
      kind: 'settle',
      amount: 150n,
      balance: 850n,
      held: 0n,
    });
    await expectSoundBooks(id);
  });

  test.each([
    [['turn', 'caller'], releasingOf, 'settle'],
    [['caller', 'turn'], releasingOf, 'release'],
    [['turn', 'caller'], extendingOf, 'settle'],
    [['caller', 'turn'], extendingOf, 'extend'],
  ] as const)('is ended or extended by who comes first: %j, %p', async (order, commandOf, kind) => {
    const { id, holdId } = await accountWithHold('4', openLedger(address.port, 0));
    await untilDue(id);
    const { ask } = settler(openLedger());
    const underWay: { turn?: Promise<SettleDueAnswer>; caller?: Promise<readonly Outcome[]> } = {};
    const begin = {
      turn: () => (underWay.turn = ask()),
      caller: () => (underWay.caller = processBatch([commandOf(id, holdId)], openLedger())),
    };
    const release = await lockAccount(id);
    for (const [before, who] of order.entries()) {
      void begin[who]();
      await until(`(${waiters}) = ${before + 1}`);
    }
    await release();
    expect(await underWay.turn).toMatchObject({ type: 'settled', settled: kind === 'settle' ? 1 : 0 });
    expect(words((await underWay.caller) ?? [])).toEqual([
      kind === 'settle' ? 'hold_not_pending' : 'applied',
    ]);
    expect((await entriesOf(id)).map((entry) => entry.kind)).toEqual(['open', 'add', 'subtract', kind]);
    await expectSoundBooks(id);
    // What stays pending would be due in a later test.
    await processBatch([releasingOf(id, holdId)], openLedger());
  });

  test('is extended, announced anew, and ended in the same batch as at its last time', async () => {
    const ledger = openLedger(address.port, 600_000, refuser);
    const { id, holdId } = await accountWithHold('4', ledger);
    const [extended] = await processBatch([extendingOf(id, holdId)], ledger);
    // It was due later than that.
    expect(extended).toMatchObject({ type: 'applied', hold: { status: 'pending', amount: 400n } });
    const later = { ...extendingOf(id, holdId), dueInSeconds: 1_200 } as Command;
    const [moved] = await processBatch([later], ledger);
    const dueAt = moved?.type === 'applied' ? (moved.hold?.dueAt ?? 0) : 0;
    const { rows } = await pool.query<{ due_at: Micros; version: number; told: bigint }>(
      `SELECT due_at, version, (SELECT count(*) FROM outbox WHERE message_id = 'due:' || $2) AS told
       FROM holds WHERE id = $1`,
      [holdId, formatSecond(dueAt as Micros)],
    );
    expect(rows).toEqual([{ due_at: dueAt, version: 3, told: 1n }]);
    const last = { ...extendingOf(id, holdId), dueInSeconds: 2_400 } as Command;
    expect(words(await processBatch([last, releasingOf(id, holdId), last], ledger))).toEqual([
      'applied',
      'applied',
      'again applied',
    ]);
    await expectSoundBooks(id);
  });

  test('is told as it was then, whatever has happened since', async () => {
    const [one, other] = [openLedger(), openLedger()];
    const { id, holdId } = await accountWithHold('4', one);
    const command = releasingOf(id, holdId);
    const [first] = await processBatch([command], one);
    expect(first).toMatchObject({ asOf: { status: 'open' }, hold: { amount: 400n, status: 'released' } });
    await processBatch([adding(id, '1'), { ...common(id), kind: 'close', expectedVersion: null }], other);
    const [again] = await processBatch([command], other);
    expect(again).toMatchObject({ type: 'applied', replayed: true, asOf: { status: 'open' } });
    for (const field of ['entry', 'hold'] as const)
      expect(again?.type === 'applied' && again[field]).toEqual(first?.type === 'applied' && first[field]);
  });

  test('keeps refusals: of a hold that is not there or another account’s, and of too large an amount', async () => {
    const { id, holdId } = await accountWithHold('4');
    const foreign = await accountWithHold('4');
    const commands = [
      releasingOf(id, randomUUID() as string as HoldId),
      releasingOf(id, foreign.holdId),
      settlingPartOf(id, holdId, '4.01'),
    ];
    const refusals = ['hold_not_found', 'hold_not_found', 'amount_too_large'];
    const ledger = openLedger();
    expect(words(await processBatch(commands, ledger))).toEqual(refusals);
    expect(words(await processBatch(commands, openLedger()))).toEqual(
      refusals.map((code) => `again ${code}`),
    );
    expect(words(await processBatch([releasingOf(foreign.id, foreign.holdId)], ledger))).toEqual(['applied']);
    await expectSoundBooks(id);
    await expectSoundBooks(foreign.id);
  });
});

describe('an account that is not there', () => {
  test('is opened by one of two ledgers only', async () => {
    const id = randomUUID() as AccountId;
    await observer.query('BEGIN');
    await observer.query(lockAbsentAccounts([id]));
    const attempts = [1, 2].map(async () => processBatch([opening(id)], openLedger()));
    await until(`(${waiters}) = 2`);
    await observer.query('COMMIT');
    expect(words((await Promise.all(attempts)).flat()).toSorted()).toEqual(['account_exists', 'applied']);
    await expectSoundBooks(id);
  });

  test('that is opened meanwhile is found', async () => {
    const id = randomUUID() as AccountId;
    const open = opening(id);
    await observer.query('BEGIN');
    await observer.query(lockAbsentAccounts([id]));
    // The first waits in front of the second: both have found no account.
    const first = processBatch([open], openLedger());
    await until(`(${waiters}) = 1`);
    const second = processBatch([open, adding(id, '5')], openLedger());
    await until(`(${waiters}) = 2`);
    await observer.query('COMMIT');
    expect(words(await first)).toEqual(['applied']);
    expect(words(await second)).toEqual(['again applied', 'applied']);
    await expectSoundBooks(id);
  });

  test('keeps what was refused for want of it', async () => {
    const id = randomUUID() as AccountId;
    const early = adding(id, '5');
    const outcomes = await processBatch([early, opening(id), early, adding(id, '5')], openLedger());
    expect(words(outcomes)).toEqual(['account_not_found', 'applied', 'again account_not_found', 'applied']);
    expect(words(await processBatch([early], openLedger()))).toEqual(['again account_not_found']);
  });

  test('and others in opposite order, at two ledgers: nobody waits in a circle', async () => {
    const ids = Array.from({ length: 40 }, () => randomUUID() as AccountId);
    const present = await Promise.all([1, 2, 3, 4].map(async () => accountWith('100')));
    const commands = [...ids.map((id) => opening(id)), ...present.map((id) => adding(id, '1'))];
    const rounds = [1, 2, 3, 4].map(async (_, index) =>
      run(openLedger(), index % 2 === 0 ? commands : commands.toReversed()),
    );
    const outcomes = (await Promise.all(rounds)).flatMap(words);
    expect(outcomes.filter((word) => word === 'applied')).toHaveLength(44);
    expect(outcomes.filter((word) => word === 'again applied')).toHaveLength(3 * 44);
    const { rows } = await observer.query<{ deadlocks: string }>(
      'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
    );
    expect(Number(rows[0]?.deadlocks)).toBe(0);
  });
});

describe('a transfer', () => {
  test('and those the other way, at three ledgers at once: each is done once, and nobody waits in a circle', async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => accountWith('100')));
    const commands = Array.from({ length: 60 }, (_, index) => {
      const [from, to] = [ids[index % 3], ids[(index + 1 + (index % 2)) % 3]];
      if (from === undefined || to === undefined) throw new Error('there are three');
      return transferring(from, to, '7');
    });
    const rounds = [1, 2, 3].map(async (_, turn) =>
      run(openLedger(), turn === 0 ? commands : commands.toReversed()),
    );
    const outcomes = (await Promise.all(rounds)).map((each, turn) => (turn === 0 ? each : each.toReversed()));
    for (const [index] of commands.entries()) {
      const answers = outcomes.map((each) => each[index]).filter((each) => each !== undefined);
      // First by one of them, and again by the others.
      expect(words(answers).map((word) => word.replace('again ', ''))).toHaveLength(3);
      expect(new Set(words(answers).map((word) => word.replace('again ', ''))).size).toBe(1);
      expect(words(answers).filter((word) => !word.startsWith('again '))).toHaveLength(1);
    }
    for (const id of ids) await expectSoundBooks(id);
    const { rows } = await observer.query<{ sum: string; out: string; in: string }>(
      `SELECT (SELECT sum(balance)::text FROM accounts WHERE id = ANY ($1)) AS sum,
              count(*) FILTER (WHERE kind = 'transfer-out')::text AS out, count(*) FILTER (WHERE kind = 'transfer-in')::text AS in
       FROM entries WHERE account_id = ANY ($1)`,
      [ids],
    );
    const [first = []] = outcomes;
    const done = String(words(first).filter((word) => word.endsWith('applied')).length);
    expect(rows).toEqual([{ sum: '30000', out: done, in: done }]);
  });

  test('whose answer is lost after COMMIT is found in the journal, and done once', async () => {
    const ledger = openLedger(proxy.port);
    const [from, to] = [await accountWith('10', ledger), await accountWith('10', ledger)];
    proxy.holdFrom('toClient', 'COMMIT');
    const attempt = run(ledger, [transferring(from, to, '4')]);
    await proxy.untilHeld('toClient', 'COMMIT');
    proxy.cut();
    expect(words(await attempt)).toEqual(['again applied']);
    expect((await entriesOf(from)).map(({ kind }) => kind)).toEqual(['open', 'add', 'transfer-out']);
    expect((await entriesOf(to)).map(({ kind }) => kind)).toEqual(['open', 'add', 'transfer-in']);
    for (const id of [from, to]) await expectSoundBooks(id);
  });

  test('is told by both accounts, also by a relay', async () => {
    const ledger = openLedger(address.port, 600_000, refuser);
    const [from, to] = [await accountWith('10', ledger), await accountWith('10', ledger)];
    const [outcome] = await processBatch([transferring(from, to, '4')], ledger);
    expect(outcome).toMatchObject({ toAccountId: to, entry: { seq: 3 }, receipt: { entry: { seq: 3 } } });
    for (const [id, kind] of [
      [from, 'transfer-out'],
      [to, 'transfer-in'],
    ] as const) {
      const { rows } = await pool.query<{ kind: string }>(toldOf, [id]);
      expect(rows.map((row) => row.kind)).toEqual(['open', 'add', kind]);
    }
  });
});

describe('a deadline', () => {
  test('that passes while the lock is awaited drops the command; the same id may still come again', async () => {
    const id = await accountWith('10');
    const ledger = openLedger();
    const release = await lockAccount(id);
    const { rows } = await pool.query<{ soon: bigint }>(
      `SELECT (extract(epoch FROM clock_timestamp() + interval '100 ms') * 1000000)::bigint AS soon`,
    );
    const deadline = Number(rows[0]?.soon) as Micros;
    const late = { ...adding(id, '1'), deadline };
    const attempt = processBatch([late], ledger);
    await until(`(${waiters}) = 1 AND clock_timestamp() > to_timestamp($1::numeric / 1000000)`, [deadline]);
    await release();
    expect(words(await attempt)).toEqual(['expired']);
    expect([await entriesOf(id), await refusalsOf(id)]).toMatchObject([{ length: 2 }, { length: 0 }]);
    expect(words(await processBatch([{ ...late, deadline: null }], ledger))).toEqual(['applied']);
    expect(words(await processBatch([late], ledger))).toEqual(['again applied']);
  });
});

describe('a lost connection', () => {
  test('before COMMIT arrives: nothing is written, and the batch is decided again', async () => {
    const ledger = openLedger(proxy.port);
    const id = await accountWith('10', ledger);
    const release = await lockAccount(id);
    const attempt = run(ledger, [subtracting(id, '4')]);
    await until(`(${waiters}) = 1`);
    proxy.hold('toServer');
    await release();
    await proxy.untilHeld('toServer', 'commit');
    expect(await entriesOf(id)).toHaveLength(2);
    proxy.cut();
    expect(words(await attempt)).toEqual(['applied']);
    expect(await entriesOf(id)).toHaveLength(3);
    await expectSoundBooks(id);
  });

  test('after COMMIT, its answer lost: the journal tells what became of the batch', async () => {
    const ledger = openLedger(proxy.port);
    const id = await accountWith('10', ledger);
    const release = await lockAccount(id);
    const commands = [subtracting(id, '4'), subtracting(id, '7'), adding(id, '1')];
    const attempt = run(ledger, commands);
    await until(`(${waiters}) = 1`);
    proxy.hold('toServer');
    await release();
    await proxy.untilHeld('toServer', 'commit');
    proxy.hold('toClient');
    proxy.deliver('toServer');
    await proxy.untilHeld('toClient', 'COMMIT');
    proxy.cut();
    expect(words(await attempt)).toEqual(['again applied', 'again insufficient_funds', 'again applied']);
    expect(await entriesOf(id)).toHaveLength(4);
    await expectSoundBooks(id);
  });

  test('of an impatient caller after COMMIT was sent is an unknown outcome, never "unavailable"', async () => {
    const ledger = openLedger(proxy.port);
    const id = await accountWith('10', ledger);
    const command = subtracting(id, '4');
    const release = await lockAccount(id);
    const attempt = run(ledger, [command], 0);
    await until(`(${waiters}) = 1`);
    proxy.hold('toServer');
    await release();
    await proxy.untilHeld('toServer', 'commit');
    proxy.cut();
    expect(words(await attempt)).toEqual(['outcome_unknown']);
    expect(words(await run(ledger, [command]))).toEqual(['applied']);
  });

  test('while the lock is awaited is no reason to fail', async () => {
    const ledger = openLedger();
    const id = await accountWith('10', ledger);
    const release = await lockAccount(id);
    const attempt = run(ledger, [subtracting(id, '4')]);
    await until(`(${waiters}) = 1`);
    await endWaiters();
    await release();
    expect(words(await attempt)).toEqual(['applied']);
    await expectSoundBooks(id);
  });

  test('takes its transaction with it: a ledger that was frozen does not go on elsewhere', async () => {
    const frozen = openLedger(proxy.port);
    const id = await accountWith('1', frozen);
    const command = subtracting(id, '5');
    const release = await lockAccount(id);
    const attempt = run(frozen, [command]);
    await until(`(${waiters}) = 1`);
    // The answer to its locks lies in the frozen ledger's socket, and the end of its session right behind it.
    proxy.hold('toClient');
    await release();
    const idle = `datname = current_database() AND state = 'idle in transaction'`;
    await until(`EXISTS (SELECT FROM pg_stat_activity WHERE ${idle})`);
    await observer.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${idle}`);
    await proxy.untilServerEnded();
    // Meanwhile another ledger takes money in, and applies the same command for the caller who asked again.
    expect(words(await processBatch([adding(id, '9'), command], openLedger()))).toEqual([
      'applied',
      'applied',
    ]);
    proxy.deliver('toClient');
    expect(words(await attempt)).toEqual(['again applied']);
    expect(await refusalsOf(id)).toEqual([]);
    await expectSoundBooks(id);
  });
});

/** From now on the database takes no entry of this account, as somebody's trigger has it, or for a reason of its own. */
async function poison(id: AccountId, sqlState = 'P0001'): Promise<void> {
  await pool.query(`
    CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.account_id = '${id}' THEN RAISE EXCEPTION 'poison' USING ERRCODE = '${sqlState}'; END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER poison BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION poison()`);
}

describe('a transaction', () => {
  test('that saves nothing is over all the same', async () => {
    const { connection } = openLedger();
    const id = await accountWith('10');
    await inBatchTransaction(connection, [adding(id, '1')], async () => undefined);
    await observer.query('SELECT FROM accounts WHERE id = $1 FOR UPDATE NOWAIT', [id]);
    expect(await entriesOf(id)).toHaveLength(2);
  });

  test('that writes and does not save fails, and has written nothing', async () => {
    const ledger = openLedger();
    const id = await accountWith('10', ledger);
    const commands = [adding(id, '1')];
    const work = inBatchTransaction(ledger.connection, commands, async (transaction) => {
      const { changes } = executeBatch(commands, transaction.state, 0);
      await transaction.writeWhile(transaction.fill(changes), () => undefined);
    });
    await expect(work).rejects.toThrow('changes were written, but not saved');
    expect(await entriesOf(id)).toHaveLength(2);
    await processBatch([adding(id, '2')], ledger);
    await expectSoundBooks(id);
  });
});

describe('a command that the database will not take', () => {
  afterEach(async () => {
    await pool.query('DROP TRIGGER IF EXISTS poison ON entries; DROP FUNCTION IF EXISTS poison');
  });

  test('fails alone', async () => {
    const ledger = openLedger();
    const [good, bad, other] = [
      await accountWith('1', ledger),
      await accountWith('1', ledger),
      await accountWith('1', ledger),
    ];
    await poison(bad);
    const outcomes = await run(ledger, [adding(good, '1'), adding(bad, '1'), adding(other, '1')]);
    expect(words(outcomes)).toEqual(['applied', 'internal', 'applied']);
    for (const id of [good, bad, other]) await expectSoundBooks(id);
  });

  test.each([['58030'], ['XX000'], ['42501']])(
    'since its disk is at fault (%s), may be sent again',
    async (sqlState) => {
      const ledger = openLedger();
      const [good, bad] = [await accountWith('1', ledger), await accountWith('1', ledger)];
      await poison(bad, sqlState);
      const command = adding(bad, '1');
      expect(words(await run(ledger, [adding(good, '1'), command]))).toEqual(['applied', 'unavailable']);
      await pool.query('DROP TRIGGER poison ON entries');
      expect(words(await run(ledger, [command]))).toEqual(['applied']);
    },
  );

  test('changes nothing about the order of others, between which something is transferred', async () => {
    const ledger = openLedger();
    const [a, b, bad] = [
      await accountWith('100', ledger),
      await accountWith('1', ledger),
      await accountWith('1', ledger),
    ];
    await poison(bad);
    const commands = [
      adding(b, '1'),
      adding(bad, '1'),
      transferring(a, b, '50'),
      transferring(b, a, '20'),
      subtracting(b, '10'),
    ];
    expect(words(await run(ledger, commands))).toEqual([
      'applied',
      'internal',
      'applied',
      'applied',
      'applied',
    ]);
    for (const id of [a, b, bad]) await expectSoundBooks(id);
  });

  test('and its hold keep no other hold from being settled', async () => {
    const ledger = openLedger(address.port, 0);
    const [good, bad] = [await accountWith('1000', ledger), await accountWith('1000', ledger)];
    const commands = Array.from({ length: 300 }, (_, index) => subtracting(index === 200 ? bad : good, '1'));
    await processBatch(commands, ledger);
    await until(
      `(SELECT max(due_at) FROM holds WHERE account_id = ANY ($1) AND status = 'pending') <= clock_timestamp()`,
      [[good, bad]],
    );
    await poison(bad);
    const { settle } = settler(ledger);
    expect(await settle()).toBe(299);
    expect(await pendingOf(good)).toBe(0);
    expect(await pendingOf(bad)).toBe(1);
    await pool.query('DROP TRIGGER poison ON entries');
    await settle({ sweep: true });
    expect(await pendingOf(bad)).toBe(0);
    for (const id of [good, bad]) await expectSoundBooks(id);
  });

  test('is not looked for among holds when none could be picked', async () => {
    const ledger = openLedger(address.port, 0);
    const id = await accountWithDueHolds(400, ledger);
    const { ask, settle } = settler(ledger);
    await pool.query('ALTER TABLE holds RENAME COLUMN due_at TO due_elsewhere');
    try {
      expect(await ask({ sweep: true })).toEqual({ type: 'settled', settled: 0, more: true, waitMs: 1_000 });
    } finally {
      await pool.query('ALTER TABLE holds RENAME COLUMN due_elsewhere TO due_at');
    }
    // All at once, not one at first.
    expect(await ask()).toMatchObject({ type: 'settled', settled: 400 });
    await settle();
    await expectSoundBooks(id);
  });

  test('and all of its account’s holds keep none of others from being settled', async () => {
    const ledger = openLedger(address.port, 0);
    const [good, bad] = [await accountWith('1000', ledger), await accountWith('1000', ledger)];
    // More than may be stuck, and due before the others.
    for (const id of [bad, good]) {
      await processBatch(
        Array.from({ length: 150 }, () => subtracting(id, '1')),
        ledger,
      );
      await until('clock_timestamp() > (SELECT max(due_at) FROM holds WHERE account_id = $1)', [id]);
    }
    await until(
      `(SELECT max(due_at) FROM holds WHERE account_id = ANY ($1) AND status = 'pending') <= clock_timestamp()`,
      [[good, bad]],
    );
    await poison(bad);
    const { settle } = settler(ledger);
    expect(await settle()).toBe(150);
    expect([await pendingOf(good), await pendingOf(bad)]).toEqual([0, 150]);
    await pool.query('DROP TRIGGER poison ON entries');
    expect(await settle({ sweep: true })).toBe(150);
    for (const id of [good, bad]) await expectSoundBooks(id);
  });
});

/** A port. */
const nobodyListens = 1;

function settler(books: Books, commands = { taken: 0, depth: 0 }, secondPort = address.port) {
  const lane = new Lane();
  /** How many holds each turn settled. */
  const turns: number[] = [];
  let sweeps = 0;
  const secondConnection = new WriteConnection({ ...address, port: secondPort, role }, logger);
  secondConnections.push(secondConnection);
  const settleDue = new SettleDueTurns({
    books,
    secondConnection,
    lane,
    logger,
    commands,
    lockedAccounts,
    onSweep: () => {
      sweeps += 1;
    },
    observe: async (_turn, work) => {
      const outcomes = await work();
      turns.push(outcomes.size);
      return outcomes;
    },
    observeRequest: async (_askedBy, work) => work(),
  });
  const ask = (asked: { until?: Micros; sweep?: boolean } = {}): Promise<SettleDueAnswer> =>
    new Promise((answer) =>
      settleDue.request({ until: asked.until ?? null, sweep: asked.sweep ?? false, span: undefined, answer }),
    );
  /** Asks until nothing is left; how many were settled. */
  const settle = async (asked: { sweep?: boolean } = {}): Promise<number> => {
    let settled = 0;
    for (let times = 0; times < 5_000; times += 1) {
      const answer = await ask(times === 0 ? asked : {});
      if (answer.type !== 'settled') throw new Error(answer.type);
      settled += answer.settled;
      if (!answer.more) return settled;
    }
    throw new Error('settling does not end');
  };
  return { ask, settle, turns, sweeps: () => sweeps, connectSecond: () => secondConnection.session() };
}

async function pendingOf(id: AccountId): Promise<number> {
  const { rows } = await pool.query<{ count: bigint }>(
    `SELECT count(*) FROM holds WHERE account_id = $1 AND status = 'pending'`,
    [id],
  );
  return Number(rows[0]?.count);
}

/** The entries of an account that the outbox tells of. */
const toldOf = `
  SELECT kind, seq, command_id
  FROM outbox, unnest(account_ids, first_seqs, last_seqs) AS told (account, first, last),
    LATERAL (SELECT * FROM entries WHERE account_id = account AND seq BETWEEN first AND last) AS entry
  WHERE account = $1 ORDER BY outbox.id, seq`;

/** The settlings, by their number, that the outbox tells of. For a ledger whose messages nobody takes. */
async function settleFactsOf(id: AccountId): Promise<number[]> {
  const { rows } = await pool.query<{ kind: string; seq: bigint }>(toldOf, [id]);
  return rows.filter(({ kind }) => kind === 'settle').map(({ seq }) => Number(seq));
}

async function untilDue(id: AccountId): Promise<void> {
  await until(
    `(SELECT max(due_at) FROM holds WHERE account_id = $1 AND status = 'pending') <= clock_timestamp()`,
    [id],
  );
}

/** An account with so many holds that are due, placed 400 at a time by a ledger that holds for no time. */
async function accountWithDueHolds(count: number, ledger: ReturnType<typeof openLedger>): Promise<AccountId> {
  const id = await accountWith('10000', ledger);
  for (let placed = 0; placed < count; placed += 400)
    await processBatch(
      Array.from({ length: 400 }, () => subtracting(id, '1')),
      ledger,
    );
  await untilDue(id);
  return id;
}

/** Accounts with 400 due holds each, those of the first the longest: the first two begin a share each. */
async function accountsWithDueHolds(count: number, holdPeriodMs = -120_000): Promise<AccountId[]> {
  const ids: AccountId[] = [];
  for (let each = 0; each < count; each += 1) {
    const dueAfterMs = holdPeriodMs - (count - 1 - each) * 10_000;
    ids.push(await accountWithDueHolds(400, openLedger(address.port, dueAfterMs)));
  }
  return ids;
}

async function expectSettledOnce(ids: readonly AccountId[], ledger: Books): Promise<void> {
  await ledger.outbox.stop();
  for (const id of ids) {
    expect(await pendingOf(id)).toBe(0);
    await expectSoundBooks(id);
    const facts = await settleFactsOf(id);
    expect([facts.length, new Set(facts).size]).toEqual([400, 400]);
  }
}

/** Settles 1,200 holds of three accounts while commands come in; how many in each turn. */
async function turnsBesideCommands(
  holdPeriodMs: number,
  isWaiting: (asked: number) => boolean,
  secondPort: number,
) {
  const ids = await accountsWithDueHolds(3, holdPeriodMs);
  let asked = 0;
  const ledger = openLedger(address.port, 0, refuser);
  const commands = {
    taken: 0,
    get depth() {
      return isWaiting((asked += 1)) ? 1 : 0;
    },
  };
  const { settle, turns, connectSecond } = settler(ledger, commands, secondPort);
  await connectSecond().catch(() => undefined);
  expect(await settle()).toBe(1_200);
  await expectSettledOnce(ids, ledger);
  return turns;
}

function fails(): never {
  throw new Error('of itself');
}

describe('settling', () => {
  test('of more holds than a turn takes, by three ledgers at once, takes each hold once', async () => {
    const ids = await accountsWithDueHolds(3);
    const settled = await Promise.all(
      [1, 2, 3].map(async () => {
        const { settle, connectSecond } = settler(openLedger());
        await connectSecond();
        return settle();
      }),
    );
    expect(settled.reduce((total, each) => total + each)).toBe(1200);
    for (const id of ids) {
      expect(await pendingOf(id)).toBe(0);
      await expectSoundBooks(id);
    }
  });

  test.each(['is locked and read', 'is written'])(
    'that fails of itself while a part %s changes nothing, and its session serves the next',
    async (moment) => {
      const ledger = openLedger(address.port, 0);
      const id = await accountWithDueHolds(400, ledger);
      const due = { from: null, until: null, limit: 10_000, except: [], exceptAccounts: [] };
      const turn = inSettleTransaction(ledger.connection, due, async ({ holds }, load) => {
        const own = holds.filter((hold) => hold.account_id === id);
        const [transaction] = await load(own, moment === 'is written' ? () => undefined : fails);
        const commands = own.map((hold) => settlingOf(id, hold.id));
        const { changes } = executeBatch(commands, transaction.state, 0);
        expect(changes.entries).toHaveLength(400);
        return transaction.writeWhile(transaction.fill(changes), fails);
      });
      await expect(turn).rejects.toThrow('of itself');
      expect(await pendingOf(id)).toBe(400);
      await settler(ledger).settle();
      expect(await pendingOf(id)).toBe(0);
      await expectSoundBooks(id);
    },
  );

  test('takes twice as many holds in a turn as there were commands before it, 128 to 512, for a while after', async () => {
    const ledger = openLedger(address.port, 0);
    const id = await accountWithDueHolds(5_600, ledger);
    const taken = [0, 1, 100, 300, ...Array.from({ length: 16 }, () => 0)];
    const depths = [0, 0, 0, 0, 0, 0, 0, 0, 1];
    let commands = 0;
    const { settle, turns } = settler(ledger, {
      // Only a long turn asks for it, and the second of them finds a command waiting once it has picked.
      get depth() {
        return depths.shift() ?? 0;
      },
      get taken() {
        return (commands += taken.shift() ?? 0);
      },
    });
    expect(await settle()).toBe(5_600);
    const small = Array.from({ length: 16 }, () => 128);
    expect(turns).toEqual([1_024, 128, 200, 512, ...small, 128, 1_024, 5_600 - 5_064]);
    await expectSoundBooks(id);
  });

  test.each([-120_000, 0])(
    'ends a long turn early when a command comes, and leaves no hold out (held for %i ms and less)',
    async (holdPeriodMs) => {
      // It comes while the second part is written.
      const turns = await turnsBesideCommands(holdPeriodMs, (asked) => asked % 3 === 0, nobodyListens);
      expect(turns).toEqual([256, 256, 256, 256, 176]);
    },
  );

  test('ends both shares of a long turn early when a command comes, and leaves no hold out', async () => {
    const turns = await turnsBesideCommands(-120_000, (asked) => asked % 5 >= 3, address.port);
    expect(turns[0]).toBeLessThan(1_024);
  });

  describe('that is asked for once', () => {
    let clock: jest.SpiedFunction<typeof performance.now>;
    beforeEach(() => {
      clock = jest.spyOn(performance, 'now').mockReturnValue(1_000);
    });
    afterEach(() => clock.mockRestore());

    test('goes on until nothing is left, says how much that was, and sweeps once', async () => {
      const id = await accountWithDueHolds(2_400, openLedger(address.port, 0));
      const { ask, turns, sweeps } = settler(openLedger());
      const answer = { type: 'settled', settled: 2_400, more: false, waitMs: 0 };
      expect(await ask({ sweep: true })).toEqual(answer);
      expect([turns, sweeps()]).toEqual([[1_024, 1_024, 352], 1]);
      expect(await pendingOf(id)).toBe(0);
    });

    test('says after half a second that more is left', async () => {
      await accountWithDueHolds(1_200, openLedger(address.port, 0));
      const { ask, settle } = settler(openLedger());
      const answering = ask();
      clock.mockReturnValue(1_500);
      expect(await answering).toEqual({ type: 'settled', settled: 1_024, more: true, waitMs: 0 });
      expect(await settle()).toBe(176);
    });

    test('leaves the share of a second connection that is lost to the next turn', async () => {
      const ledger = openLedger(address.port, 0, refuser);
      const { ask, turns, connectSecond } = settler(ledger);
      await connectSecond();
      const ids = await accountsWithDueHolds(4);
      const session = await ledger.connection.session();
      const release = await lockAccount(ids[1] as AccountId);
      const answer = ask();
      await until(`(${waiters}) = 1`);
      await endWaiters();
      await until(`(${waiters}) = 1`);
      await release();
      expect(await answer).toMatchObject({ type: 'settled', settled: 1_600, more: false });
      expect(turns).toEqual([624, 976]);
      expect(await ledger.connection.session()).toBe(session);
      await expectSettledOnce(ids, ledger);
    });
  });

  test('is left to the ledger that is at it', async () => {
    await observer.query('BEGIN');
    await observer.query(claimSettling());
    const { ask } = settler(openLedger());
    expect(await ask()).toMatchObject({ type: 'settled', settled: 0, more: true });
    await observer.query('COMMIT');
    expect(await ask()).toMatchObject({ type: 'settled', more: false });
  });

  test('and live batches of other ledgers come out as if one had followed the other', async () => {
    const ledger = openLedger(address.port, 0);
    const id = await accountWith('10', ledger);
    await processBatch([subtracting(id, '4')], ledger);
    await untilDue(id);
    const release = await lockAccount(id);
    const settling = settler(openLedger()).settle();
    const live = processBatch([subtracting(id, '6'), subtracting(id, '0.01')], openLedger());
    await until(`(${waiters}) = 2`);
    await release();
    expect(await settling).toBe(1);
    expect(words(await live)).toEqual(['applied', 'insufficient_funds']);
    await expectSoundBooks(id);
  });

  test('of what somebody else has settled since, in all of several parts, settles nothing and goes on', async () => {
    const ledger = openLedger(address.port, 0);
    const other = openLedger();
    const id = await accountWithDueHolds(400, ledger);
    const { rows } = await pool.query<{ id: HoldId }>('SELECT id FROM holds WHERE account_id = $1', [id]);
    const release = await lockAccount(id);
    const others = processBatch(
      rows.map((hold) => settlingOf(id, hold.id)),
      other,
    );
    await until(`(${waiters}) = 1`);
    const { ask, turns } = settler(ledger);
    const answer = ask();
    await until(`(${waiters}) = 2`);
    await release();
    expect(new Set(words(await others))).toEqual(new Set(['applied']));
    expect(await answer).toMatchObject({ type: 'settled', settled: 0, more: false });
    expect(turns).toEqual([400]);
    await expectSoundBooks(id);
  });

  test('leaves alone what lies where a picked hold lay that somebody else has settled since', async () => {
    const ledger = openLedger(address.port, 0);
    const other = openLedger();
    const otherId = await accountWith('1000000', other);
    const id = await accountWithDueHolds(400, ledger);
    // No room left by earlier tests.
    await observer.query('VACUUM FULL holds');
    const due = { from: null, until: null, limit: 10_000, except: [], exceptAccounts: [] };
    const { rows } = await pool.query<PickedRow>(pickDueHolds(due));
    const own = rows.filter((hold) => hold.account_id === id);
    const commands = own.map((hold) => settlingOf(id, hold.id));
    await processBatch(commands.slice(0, -1), other);
    const ctids = own.map((hold) => hold.ctid);
    const lying = `SELECT FROM holds WHERE account_id = $1 AND ctid = ANY ($2::tid[])`;
    let others = 0;
    while ((await observer.query(lying, [otherId, ctids])).rowCount === 0) {
      await observer.query('VACUUM (INDEX_CLEANUP ON) holds');
      await processBatch(
        Array.from({ length: 400 }, () => subtracting(otherId, '1')),
        other,
      );
      others += 400;
    }

    const outcomes = await inSettleTransaction(ledger.connection, due, async (_pick, load) => {
      const [transaction] = await load(own, () => undefined);
      return decideAndSave(commands, transaction, ledger);
    });
    expect(words(outcomes)).toEqual([...Array.from({ length: 399 }, () => 'hold_not_found'), 'applied']);
    expect([await pendingOf(id), await pendingOf(otherId)]).toEqual([0, others]);
    await expectSoundBooks(id);
    await expectSoundBooks(otherId);
  });

  test('that loses its session between two parts has settled nothing, and then settles all once', async () => {
    const ledger = openLedger(address.port, 0, refuser);
    const id = await accountWith('1000', ledger);
    for (const holds of [200, 1, 200]) {
      await processBatch(
        Array.from({ length: holds }, () => subtracting(id, '1')),
        ledger,
      );
      await untilDue(id);
    }
    const { ask, settle } = settler(ledger);
    // The 201st hold is settled by the second part, which waits for it. The first part is written by then.
    await observer.query('BEGIN');
    await observer.query(
      `SELECT FROM holds WHERE account_id = $1
         AND id = (SELECT id FROM holds WHERE account_id = $1 ORDER BY due_at OFFSET 200 LIMIT 1)
       FOR UPDATE`,
      [id],
    );
    const interrupted = ask();
    await until(`(${waiters}) = 1`);
    await endWaiters();
    expect(await interrupted).toMatchObject({ type: 'failed' });
    await observer.query('COMMIT');
    expect(await pendingOf(id)).toBe(401);
    await expectSoundBooks(id);

    expect(await settle()).toBe(401);
    expect(await entriesOf(id)).toHaveLength(2 + 401 + 401);
    await expectSoundBooks(id);
    await ledger.outbox.stop();
    const settled = await settleFactsOf(id);
    expect(settled.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 401 }, (_, index) => 404 + index));
  });

  test('shares a long turn between two connections, and loses nothing with the first', async () => {
    const ledger = openLedger(address.port, 0, refuser);
    const { ask, settle, turns, connectSecond } = settler(ledger);
    await connectSecond();
    const ids = await accountsWithDueHolds(2);
    const [lost, kept] = ids as [AccountId, AccountId];
    const release = await lockAccount(lost);
    const interrupted = ask();
    await until(`(${waiters}) = 1`);
    await until(`NOT EXISTS (SELECT FROM holds WHERE account_id = $1 AND status = 'pending')`, [kept]);
    await endWaiters();
    expect(await interrupted).toMatchObject({ type: 'failed' });
    await release();
    expect(await pendingOf(lost)).toBe(400);

    expect(await settle()).toBe(400);
    expect(turns).toEqual([400]);
    await expectSettledOnce(ids, ledger);
  });

  test('leaves the share of a second connection that fails of a hold to turns on one', async () => {
    const ledger = openLedger(address.port, 0, refuser);
    const { ask, settle, turns, connectSecond } = settler(ledger);
    await connectSecond();
    const ids = await accountsWithDueHolds(4);
    try {
      await observer.query(
        `ALTER TABLE holds ADD CONSTRAINT poison CHECK (account_id <> '${ids[1]}' OR version = 1) NOT VALID`,
      );
      expect(await ask()).toMatchObject({ type: 'settled', settled: 624, more: true });
    } finally {
      await observer.query('ALTER TABLE holds DROP CONSTRAINT poison');
    }
    expect(await settle()).toBe(976);
    expect(turns[0]).toBe(624);
    await expectSettledOnce(ids, ledger);
  });

  test('that can have no second connection does without', async () => {
    const ledger = openLedger(address.port, 0, refuser);
    const ids = await accountsWithDueHolds(3);
    const { settle, turns } = settler(ledger, undefined, nobodyListens);
    expect(await settle()).toBe(1_200);
    expect(turns).toEqual([1_024, 176]);
    await expectSettledOnce(ids, ledger);
  });

  test.each(['part', 'last part'])(
    'of a hold that somebody changed without its account’s lock fails with its %s, and then takes it as it is',
    async (part) => {
      const ledger = openLedger(address.port, 0);
      const id = await accountWith('10', ledger);
      await processBatch([subtracting(id, '1'), subtracting(id, '2')], ledger);
      await untilDue(id);
      const due = { from: null, until: null, limit: 10_000, except: [], exceptAccounts: [] };
      const turn = inSettleTransaction(ledger.connection, due, async ({ holds }, load) => {
        const own = holds.filter((hold) => hold.account_id === id);
        const [transaction, commands] = await load(own, () => own.map((hold) => settlingOf(id, hold.id)));
        await observer.query('UPDATE holds SET version = 7 WHERE id = $1', [own[0]?.id]);
        if (part === 'last part') return decideAndSave(commands, transaction, ledger);
        const { changes } = executeBatch(commands, transaction.state, 0);
        return transaction.writeWhile(transaction.fill(changes), () => undefined);
      });
      await expect(turn).rejects.toThrow('1 of the holds to be changed lay where they were read');
      expect(await pendingOf(id)).toBe(2);
      expect(await settler(ledger).settle()).toBe(2);
      await expectSoundBooks(id);
    },
  );

  test('that is asked for by too many at once is refused to those on top', async () => {
    const { ask } = settler(openLedger());
    const answers = await Promise.all(Array.from({ length: 8_193 }, async () => ask()));
    expect(answers.slice(0, -1).every(({ type }) => type === 'settled')).toBe(true);
    expect(answers.at(-1)).toEqual({ type: 'overloaded' });
  });

  test('that is asked too early says when to ask, and settles on a closed account', async () => {
    const ledger = openLedger(address.port, 3_000);
    const id = await accountWith('10', ledger);
    const [outcome] = await processBatch([subtracting(id, '4')], ledger);
    await processBatch([{ ...common(id), kind: 'close', expectedVersion: null }], ledger);
    const dueAt = outcome?.type === 'applied' ? outcome.hold?.dueAt : undefined;
    const { ask, settle } = settler(ledger);
    expect(await ask({ until: dueAt as Micros })).toMatchObject({ type: 'too-early', notBefore: dueAt });
    expect(await pendingOf(id)).toBe(1);
    await untilDue(id);
    expect(await settle()).toBe(1);
    await expectSoundBooks(id);
  });

  test('whose answer to COMMIT was lost is asked for again and settles nothing twice', async () => {
    const ledger = openLedger(proxy.port, 0);
    const id = await accountWith('10', ledger);
    await processBatch([subtracting(id, '4')], ledger);
    await untilDue(id);
    const { ask, settle } = settler(ledger);
    const release = await lockAccount(id);
    const answer = ask();
    await until(`(${waiters}) = 1`);
    proxy.hold('toServer');
    await release();
    await proxy.untilHeld('toServer', 'commit');
    proxy.hold('toClient');
    proxy.deliver('toServer');
    await proxy.untilHeld('toClient', 'COMMIT');
    proxy.cut();
    expect(await answer).toMatchObject({ type: 'failed', code: 'unavailable' });
    expect(await settle()).toBe(0);
    expect(await entriesOf(id)).toHaveLength(4);
    await expectSoundBooks(id);
  });

  test.each(['0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z'])('until %s does no harm', async (time) => {
    const { ask } = settler(openLedger());
    const answer = await ask({ until: (Date.parse(time) * 1000) as Micros });
    expect(answer.type).toBe(time.startsWith('9') ? 'too-early' : 'settled');
  });
});

/** How an entry's field goes into its hash, in SQL. */
function hashedBytes(bytes: string): string {
  return `coalesce(int4send(octet_length(${bytes})) || ${bytes}, '\\xffffffff')`;
}

function hashedText(value: string): string {
  return hashedBytes(`convert_to((${value})::text, 'UTF8')`);
}

const hashedColumns = [
  'account_id',
  'seq',
  'command_id',
  'kind',
  'amount',
  'balance',
  'held',
  'overdraft_limit',
  'hold_id',
  '(extract(epoch FROM at) * 1000000)::bigint',
];

describe('what is written', () => {
  test('comes back byte for byte, and hashes to what Postgres itself computes', async () => {
    const ledger = openLedger();
    const id = randomUUID() as AccountId;
    const names = ['Счёт "№1" \\ {a,b} NULL', "O'Brien; --", '😀\u2028\t\n', '\\x00', 'NULL', '{}', '""'];
    const metadata = '{"b":"\\"quoted\\" \\\\ \\u0001","a":"NULL","Ключ":"значение","2":"x","1":"y"}';
    const open = { ...opening(id, names.join('|'), '999999999999999'), metadata } as Command;
    const [opened] = await processBatch([open, adding(id, '0.01'), subtracting(id, '5')], ledger);
    const [again] = await processBatch([open], ledger);
    expect(again).toMatchObject({ replayed: true, asOf: { account: { name: names.join('|'), metadata } } });
    expect(again?.type === 'applied' && again.entry).toEqual(opened?.type === 'applied' && opened.entry);
    await expectSoundBooks(id);

    const { rows } = await observer.query<{ hash: Buffer; computed: Buffer }>(
      `SELECT hash, sha256(
          lag(hash, 1, sha256(convert_to(account_id::text, 'UTF8'))) OVER (ORDER BY seq) || '\\x01' ||
          ${hashedColumns.map(hashedText).join(' || ')} || ${hashedBytes('fingerprint')} || ${hashedText('details')}
        ) AS computed
       FROM entries WHERE account_id = $1`,
      [id],
    );
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(row.computed).toEqual(row.hash);
    expect(chainStart(id)).toEqual(hash('sha256', id, 'buffer'));
  });

  test('keeps to its limits at their very edge', async () => {
    const ledger = openLedger();
    const id = randomUUID() as AccountId;
    const full = '999999999999999.99';
    const outcomes = await run(ledger, [
      opening(id, 'n'.repeat(200), full),
      adding(id, full),
      adding(id, '0.01'),
      adding(id, '0.01'),
      subtracting(id, full),
      subtracting(id, '0.01'),
      subtracting(id, '0.01'),
    ]);
    expect(words(outcomes)).toEqual([
      'applied',
      'applied',
      'applied',
      'amount_too_large',
      'applied',
      'applied',
      'amount_too_large',
    ]);
    const last = (await entriesOf(id)).at(-1);
    expect([last?.balance, last?.held]).toEqual([10n ** 17n, 10n ** 17n]);
    await expectSoundBooks(id);
  });

  test('in a full batch over many accounts is what was decided', async () => {
    const ledger = openLedger();
    const ids = Array.from({ length: 128 }, () => randomUUID() as AccountId);
    const commands = ids.flatMap((id) => [
      opening(id),
      adding(id, '3'),
      subtracting(id, '2'),
      subtracting(id, '2'),
    ]);
    const outcomes = await processBatch(commands, ledger);
    expect(words(outcomes)).toEqual(
      ids.flatMap(() => ['applied', 'applied', 'applied', 'insufficient_funds']),
    );
    for (const id of ids.slice(0, 5)) await expectSoundBooks(id);
  });

  test.each(['UPDATE entries SET amount = amount + 1', 'DELETE FROM entries', 'TRUNCATE entries'])(
    'stays written: %s is refused',
    async (statement) => {
      await accountWith('1');
      await expect(pool.query(statement)).rejects.toMatchObject({ code: '42501' });
    },
  );

  test('is in the outbox with it, and deleted there once the broker has it', async () => {
    const ledger = openLedger();
    const id = await accountWith('1', ledger);
    await ledger.outbox.stop();
    const { rows } = await pool.query('SELECT id FROM outbox WHERE $1 = ANY (account_ids)', [id]);
    expect(rows).toEqual([]);
    expect(ledger.outbox.acknowledgedIds()).toEqual([]);
  });

  test('stays in the outbox while the broker does not take it, for the relay of any ledger', async () => {
    const ledger = openLedger(address.port, 600_000, refuser);
    const id = await accountWith('1', ledger);
    const command = subtracting(id, '1');
    const [outcome] = await processBatch([command, command], ledger);
    await ledger.outbox.stop();
    const dueAt = outcome?.type === 'applied' && outcome.hold !== undefined ? outcome.hold.dueAt : 0;
    const told = await pool.query(toldOf, [id]);
    expect(told.rows).toMatchObject([
      { kind: 'open' },
      { kind: 'add' },
      { kind: 'subtract', command_id: command.id },
    ]);
    const due = await pool.query('SELECT FROM outbox WHERE payload = $1', [
      JSON.stringify({ dueAt: formatSecond(dueAt as Micros) }),
    ]);
    expect(due.rowCount).toBe(1);
  });

  test('is told by a relay just as its own ledger would have', async () => {
    await pool.query('DELETE FROM outbox');
    const heard = hearingBroker(() => Promise.reject(new Error('heard, but not taken')));
    const ledger = openLedger(address.port, -60_000, heard.jetstream);
    const [id, other, closing] = [randomUUID(), randomUUID(), randomUUID()] as [
      AccountId,
      AccountId,
      AccountId,
    ];
    await processBatch(
      [
        { ...opening(id, 'Größe', '12.50'), currency: 'BTC', decimals: 8 } as Command,
        opening(other),
        opening(closing),
        adding(id, '0.00000001'),
        subtracting(id, '12.5', 'order "4711" – Größe 39'),
        adding(other, '3', 'top-up'),
        adding(id, '1'),
        { ...subtracting(other, '3.01'), unattended: true },
        { ...adding(other, '1'), unattended: true, deadline: 1 as Micros },
        { ...adding(id, '0.25'), unattended: true },
        { ...common(closing), kind: 'close', expectedVersion: null },
      ],
      ledger,
    );
    expect(await settler(ledger).settle()).toBe(1);
    const holds = await processBatch(
      ['0.5', '0.25', '0.125'].map((amount) => subtracting(id, amount, `order of ${amount}`)),
      ledger,
    );
    const [part, whole, given] = holds.map((each) =>
      each.type === 'applied' ? each.hold?.id : undefined,
    ) as [HoldId, HoldId, HoldId];
    await processBatch(
      [settlingPartOf(id, part, '0.1'), settlingPartOf(id, whole, '0.25'), releasingOf(id, given)],
      ledger,
    );
    await ledger.outbox.stop();

    await pool.query(`UPDATE outbox SET at = at - interval '1 minute'`);
    const relayed = hearingBroker(() => Promise.resolve({}));
    openLedger(address.port, 0, relayed.jetstream).outbox.start();
    await untilOutboxIsEmpty(pool);
    expect(relayed.facts()).toHaveLength(9 + 2 + 1 + 6);
    expect(relayed.facts()).toEqual(heard.facts());
    const ends = relayed.facts().filter((fact) => /"kind":"(settle|release)"/.test(fact));
    expect(new Set(ends.map((fact) => (JSON.parse(fact) as EntryFact).reference))).toEqual(
      new Set(['order "4711" – Größe 39', 'order of 0.125', 'order of 0.25', 'order of 0.5']),
    );
  });
});

/** A broker that remembers the facts that it hears. */
function hearingBroker(answer: () => Promise<unknown>) {
  const facts: string[] = [];
  const publish = (subject: string, payload: string): Promise<unknown> => {
    if (subject === eventSubject)
      facts.push(...eventSchema.parse(JSON.parse(payload)).map((fact) => JSON.stringify(fact)));
    return answer();
  };
  return { jetstream: { publish } as unknown as JetStreamClient, facts: () => facts.toSorted() };
}

/** A session keeps a plan that it made when the tables were tiny, and must not rue it when they have grown. */
describe('plans made on analysed tables of a few rows', () => {
  let planner: Client;
  beforeAll(async () => {
    planner = new Client(sessionConfig(address));
    await planner.connect();
    await planner.query(`
      CREATE SCHEMA tiny;
      CREATE TABLE tiny.accounts (LIKE public.accounts INCLUDING ALL);
      CREATE TABLE tiny.entries (LIKE public.entries INCLUDING ALL);
      CREATE TABLE tiny.holds (LIKE public.holds INCLUDING ALL);
      CREATE TABLE tiny.refusals (LIKE public.refusals INCLUDING ALL);
      INSERT INTO tiny.accounts SELECT * FROM public.accounts LIMIT 3;
      INSERT INTO tiny.entries SELECT * FROM public.entries LIMIT 3;
      INSERT INTO tiny.holds SELECT * FROM public.holds LIMIT 3;
      INSERT INTO tiny.refusals SELECT * FROM public.refusals LIMIT 3`);
    for (const table of ['accounts', 'entries', 'holds', 'refusals'])
      await planner.query(`VACUUM ANALYZE tiny.${table}`);
    await planner.query('SET search_path = tiny, public');
  });
  afterAll(async () => {
    await planner.query('DROP SCHEMA tiny CASCADE');
    await planner.end();
  });

  const accountId = randomUUID() as AccountId;
  const holdId = randomUUID() as HoldId;
  const account = {
    id: accountId,
    name: 'n',
    currency: 'EUR',
    decimals: 2,
    balance: money(0n),
    held: money(0n),
    overdraftLimit: money(0n),
    status: 'open',
    metadata: null,
    seq: 1,
    chainHead: Buffer.alloc(32),
    lastEntryAt: 0 as Micros,
  } as const;
  const hold = {
    id: holdId,
    accountId,
    amount: money(1n),
    remaining: money(0n),
    status: 'settled',
    dueAt: 0 as Micros,
    onDue: 'settle',
    reference: null,
    commandId: randomUUID() as CommandId,
    traceparent: null,
    version: 2,
  } as const;
  const updates = {
    openedAccounts: [],
    changedAccounts: [account],
    entries: [],
    newHolds: [],
    changedHolds: [hold],
    refusals: [],
  };

  test.each<[string, Statement, number]>([
    ['look-up', lookUp([accountId], [randomUUID() as CommandId]), 2],
    ['read-holds', readHolds([accountId], [holdId]), 1],
    ['read-picked-holds', readPickedHolds(['(0,1)']), 1],
    ['write-changes', writeChanges(fillChanges(updates, new Map([[holdId, '(0,1)']])), [], []), 3],
    ['read-ranges', readRanges([{ accountId, firstSeq: 1, lastSeq: 1 }]), 2],
    [
      'pick-due-holds',
      pickDueHolds({ from: null, until: null, limit: 512, except: [], exceptAccounts: [] }),
      1,
    ],
  ])('reach rows by key or ctid: %s', async (name, statement, lookUps) => {
    await planner.query(`PREPARE "${name}" AS ${statement.text}`);
    const nulls = (statement.values ?? []).map(() => 'NULL').join(', ');
    const { rows } = await planner.query<{ 'QUERY PLAN': string }>(`EXPLAIN EXECUTE "${name}" (${nulls})`);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).not.toMatch(/Join Filter|Seq Scan on (?!test_clock )|Hash Join|Merge Join/);
    expect(
      plan.match(
        /Index Cond: \(\(?[a-z_0-9.]*id = (?!ANY)|Index Cond: .*\(due_at\)::timestamp with time zone <= |TID Cond: /g,
      ),
    ).toHaveLength(lookUps);
  });
});
