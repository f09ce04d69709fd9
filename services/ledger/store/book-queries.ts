import knexFactory, { type Knex } from 'knex';
import type { Pool } from 'pg';
import type { AccountId, HoldId } from '../../../shared/contracts/primitives.ts';
import type { QueryPayload } from '../../../shared/contracts/queries.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { Account } from '../domain/account.ts';
import type { Hold } from '../domain/hold.ts';
import type { Micros } from '../domain/time.ts';
import { accountColumns, accountOf, type AccountRow } from './statements/account-row.ts';
import { entryColumns, entryOf, type EntryRow } from './statements/entry-row.ts';
import { holdColumns, holdOf, type HoldRow } from './statements/hold-row.ts';
import type { Entry } from '../domain/entry.ts';
import { sessionConfig, type DatabaseAddress } from './session.ts';

/**
 * A list waits no longer than this for a connection, nor then for its answer, in milliseconds. Shorter than the gateway's
 * 4.9 s, which asks again in what is left of them; and than `query_timeout`, with which `pg` gives the query up and leaves it
 * on its connection: knex would give that to the next list, to wait behind it. One that knex gives up itself it throws away.
 */
const listTimeoutMs = 4_000;

/** Connections for lists beside the pool's: a page takes longer than what is asked all the time, and must not delay it. */
const listConnections = 2;

/** How a list is walked. */
const ways = {
  oldest: { behind: '>', direction: 'asc' },
  newest: { behind: '<', direction: 'desc' },
} as const;

/** What lists are asked with. Where a connection was lost, the next list takes a new one. */
export function knexForLists(address: DatabaseAddress, logger: Logger): Knex {
  return knexFactory({
    client: 'pg',
    // So that PostgreSQL, too, gives up what nobody waits for any more.
    connection: { ...sessionConfig(address), statement_timeout: listTimeoutMs } as Knex.PgConnectionConfig,
    pool: { min: 0, max: listConnections },
    acquireConnectionTimeout: listTimeoutMs,
    // By itself it writes to stdout, in no format of ours, and only when the connection is wanted again.
    log: {
      warn: (message) =>
        logger.debug({ reason: messageOf(message) }, 'a connection to Postgres for lists was lost'),
    },
  });
}

/** The books' time and the real one: the same, unless a test clock was moved. */
export interface BooksTime {
  readonly now: Micros;
  readonly realNow: Micros;
}

/** Reads of what is committed, beside the batches: they lock nothing and wait for nobody. */
export class BookQueries {
  readonly #pool: Pool;
  readonly #knex: Knex;

  /** The pool serves what is asked all the time with prepared statements, knex the lists. */
  constructor(pool: Pool, knex: Knex) {
    this.#pool = pool;
    this.#knex = knex;
  }

  /** What time it is; rejects when the database can't be asked. */
  async now(): Promise<BooksTime> {
    const { rows } = await this.#pool.query<{ now: Micros; real_now: Micros }>({
      name: 'now',
      // The clock is asked once, so that the two are the same where nobody moved the one.
      text: `
        SELECT clock.now AS real_now, clock.now + ahead AS now
        FROM test_clock, (SELECT clock_timestamp() AS now) AS clock WHERE only_row`,
    });
    const [row] = rows;
    if (row === undefined) throw new Error('the clock gave no row');
    return { now: row.now, realNow: row.real_now };
  }

  /** Those of the accounts that there are. */
  async accounts(ids: readonly AccountId[]): Promise<Map<AccountId, Account>> {
    const { rows } = await this.#pool.query<AccountRow>({
      name: 'read-accounts',
      text: `SELECT ${accountColumns} FROM accounts WHERE id = ANY ($1::uuid[])`,
      values: [ids],
    });
    return new Map(rows.map((row) => [row.id, accountOf(row)]));
  }

  /** A page of accounts in id order. */
  async listAccounts({
    after,
    status,
    limit,
    allowedAccounts,
  }: QueryPayload<'accounts'>): Promise<Account[]> {
    const rows = await this.#from('accounts')
      .select<AccountRow[]>(this.#knex.raw(accountColumns))
      .modify((query) => {
        if (after !== undefined) void query.where('id', '>', after);
        if (status !== undefined) void query.where('status', status);
        if (allowedAccounts !== undefined) void query.whereIn('id', allowedAccounts);
      })
      .orderBy('id')
      .limit(limit);
    return rows.map(accountOf);
  }

  async hold(accountId: AccountId, id: HoldId): Promise<Hold | undefined> {
    const { rows } = await this.#pool.query<HoldRow>({
      name: 'read-hold',
      text: `SELECT ${holdColumns} FROM holds WHERE (account_id, id) = ($1, $2)`,
      values: [accountId, id],
    });
    return rows.map(holdOf)[0];
  }

  /** A page of an account's holds in id order, either way. */
  async listHolds(asked: QueryPayload<'holds'>): Promise<Hold[]> {
    const { accountId, after, status, reference, order, limit } = asked;
    const { behind, direction } = ways[order];
    const rows = await this.#from('holds')
      .select<HoldRow[]>(this.#knex.raw(holdColumns))
      .where('account_id', accountId)
      .modify((query) => {
        if (after !== undefined) void query.where('id', behind, after);
        if (status !== undefined) void query.where('status', status);
        if (reference !== undefined) void query.where('reference', reference);
      })
      .orderBy('id', direction)
      .limit(limit);
    return rows.map(holdOf);
  }

  /** A page of an account's journal in seq order, either way. */
  async listEntries(asked: QueryPayload<'entries'>): Promise<Entry[]> {
    const { accountId, afterSeq, holdId, reference, order, limit } = asked;
    const { behind, direction } = ways[order];
    const rows = await this.#from('entries')
      .select<EntryRow[]>(this.#knex.raw(entryColumns))
      .where('account_id', accountId)
      .modify((query) => {
        if (afterSeq !== undefined) void query.where('seq', behind, afterSeq);
        if (holdId !== undefined) void query.where('hold_id', holdId);
        // What an account was opened with stands in details as well.
        if (reference !== undefined)
          void query.whereNot('kind', 'open').whereRaw("details ->> 'reference' = ?", [reference]);
      })
      .orderBy('seq', direction)
      .limit(limit);
    return rows.map(entryOf);
  }

  /** What every list begins with. */
  #from(table: 'accounts' | 'holds' | 'entries'): Knex.QueryBuilder {
    return this.#knex(table).timeout(listTimeoutMs);
  }
}
