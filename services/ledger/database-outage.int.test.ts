import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Knex } from 'knex';
import { Pool } from 'pg';
import type { AccountId } from '../../shared/contracts/primitives.ts';
import { querySchemas } from '../../shared/contracts/queries.ts';
import { querySubject } from '../../shared/contracts/subjects.ts';
import { connectNats, type NatsLink } from '../../shared/messaging/connect.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { eventually } from '../../test/support/eventually.ts';
import { Stack } from '../../test/support/stack.ts';
import { TcpLine } from '../../test/support/tcp-line.ts';
import { serveQueries } from './messaging/queries.ts';
import { BookQueries, knexForLists } from './store/book-queries.ts';
import { DatabaseWatch } from './store/database-watch.ts';
import { migrate } from './store/migrate.ts';
import { queryTimeoutMs, sessionConfig } from './store/session.ts';

let servers: Stack;
let line: TcpLine;
let log: { level: string; msg: string }[];
let link: NatsLink;
let pool: Pool;
let knex: Knex;
let queries: BookQueries;
let watch: DatabaseWatch;

beforeEach(async () => {
  servers = await Stack.start({ gateways: 0, ledgers: 0, settlers: 0 });
  const { address: direct } = servers.database;
  await migrate(direct);
  line = new TcpLine(`tcp://${direct.host}:${direct.port}`);
  await line.open();
  const address = { ...direct, host: '127.0.0.1', port: line.port };
  pool = new Pool(sessionConfig(address));
  pool.on('error', () => undefined);

  log = [];
  const logger = createLogger('ledger', 'info', { write: (text) => log.push(JSON.parse(text)) });
  knex = knexForLists(address, logger);
  queries = new BookQueries(pool, knex);
  watch = new DatabaseWatch(queries, address, logger);
  link = await connectNats({ urls: [servers.nats.url], name: 'test', logger });
  serveQueries(link.connection, { queries, logger });
});

afterEach(async () => {
  watch.stop();
  await link.drain();
  await Promise.all([pool.end(), knex.destroy(), line.cut()]);
  await servers.stop();
});

const ping = async (): Promise<unknown> =>
  (await link.connection.request(querySubject('ping'), '{}', { timeout: 10_000 })).json();

/** Asks longer than any way of giving up takes. */
const listOverNats = async (): Promise<unknown> =>
  (await link.connection.request(querySubject('accounts'), '{}', { timeout: 4 * queryTimeoutMs })).json();

test('a database that is away is told of once, not at every ping, and that it is back', async () => {
  expect(await ping()).toMatchObject({ ok: true });
  await line.cut();
  for (let i = 0; i < 10; i += 1) {
    expect(await ping()).toMatchObject({ ok: false, error: { code: 'unavailable' } });
  }
  const missing = await eventually(async () => watch.missing()[0]);
  expect(missing).toContain(`can't reach Postgres at 127.0.0.1:${line.port}`);

  await line.open();
  await eventually(async () => (watch.missing().length === 0 ? 'ready' : undefined));
  expect(await ping()).toMatchObject({ ok: true });
  const told = log.map(({ level, msg }) => `${level} ${msg.replace(/ \(.*/u, '')}`);
  expect(told.filter((text) => /Postgres|query/u.test(text))).toEqual([
    `warn can't reach Postgres at 127.0.0.1:${line.port}`,
    'info Postgres answers again',
  ]);
});

test('a line that falls silent costs the lists that were on it, and lists are well within seconds', async () => {
  const accountId = randomUUID() as AccountId;
  const page = { accountId, limit: 10 };
  const lists = [
    () => queries.listAccounts(querySchemas.accounts.parse({})),
    () => queries.listHolds(querySchemas.holds.parse(page)),
    () => queries.listEntries(querySchemas.entries.parse(page)),
  ];
  const askAll = () => Promise.allSettled(lists.map((list) => list()));
  expect((await askAll()).map(({ status }) => status)).toEqual(lists.map(() => 'fulfilled'));

  line.silent = true;
  const silentSinceMs = performance.now();
  const [answer, ...settled] = await Promise.all([listOverNats(), askAll(), askAll()]);
  expect(answer).toMatchObject({ ok: false, error: { code: 'unavailable' } });
  expect(new Set(settled.flat().map(({ status }) => status))).toEqual(new Set(['rejected']));
  const failedWithinMs = performance.now() - silentSinceMs;

  // New lines are well. Those that were there stay silent: nobody has told us that their other end is gone. A connection that
  // is just being made on one of them holds up the next list, until it is given up after 3 s.
  line.silent = false;
  await eventually(async () =>
    isDeepStrictEqual(await listOverNats(), { ok: true, accounts: [] }) ? true : undefined,
  );
  expect((await askAll()).map(({ status }) => status)).toEqual(lists.map(() => 'fulfilled'));
  // Also those that had no connection: the gateway gave up after 5 s.
  expect(failedWithinMs).toBeLessThan(queryTimeoutMs);
});
