import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { accountSteps } from '../../deploy/accounts/account-steps.ts';
import { openAccount } from '../../deploy/accounts/open-account.ts';
import { readFixture } from '../../deploy/fixtures/read-fixture.ts';
import { readNatsUser } from '../../deploy/local/nats-users.ts';
import { withClient } from '../../deploy/local/with-client.ts';
import { inboxPrefixOf } from '../../shared/contracts/nats-users.ts';
import type { AccountId } from '../../shared/contracts/primitives.ts';
import { connectNats } from '../../shared/messaging/connect.ts';
import { createLedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { Stack } from '../support/stack.ts';
import { createTestDatabase } from '../support/test-database.ts';
import type { LocalHoldfast } from './local-holdfast.ts';
import type { PageSetting } from './page-run.ts';

const fixtures = join(import.meta.dirname, '../../deploy/fixtures');

/** What is there before a page begins. */
export interface Surroundings {
  readonly setting: PageSetting;
  /** Takes away what was made for the page. */
  readonly end: () => Promise<void>;
}

/** Accounts as a fresh start has them, that no other page changes: their ids stand for those of the fixture. */
export async function ownAccounts(holdfast: LocalHoldfast): Promise<Surroundings> {
  const logger = createLogger('docs', 'silent');
  const tools = await readNatsUser(holdfast.dataDir, 'tools');
  if (tools === undefined) throw new Error('the data folder has no NATS users');
  const link = await connectNats({
    urls: [tools.NATS_URL],
    user: { name: tools.NATS_USER, password: tools.NATS_PASSWORD },
    inboxPrefix: inboxPrefixOf('tools'),
    name: 'docs',
    logger,
  });
  const ledger = createLedgerClient({ link, logger, metrics: createMetrics() });
  const ids = new Map<string, string>();
  for (const account of readFixture(fixtures, 'subscribers').accounts) {
    const id = randomUUID() as string as AccountId;
    const { failed } = await openAccount(ledger, accountSteps('docs', { ...account, id }));
    if (failed !== undefined) throw new Error(failed.error.detail);
    ids.set(account.id, id);
  }
  await ledger.close();
  await link.drain();
  return { setting: { holdfast, ids }, end: () => Promise.resolve() };
}

/** The Flask service's database. */
export async function oldDatabase(holdfast: LocalHoldfast): Promise<Surroundings> {
  const database = await createTestDatabase();
  await withClient(database.connection, async (client) => {
    await client.query(
      'CREATE TABLE subscribers (id uuid PRIMARY KEY, name text, balance integer, hold integer, status boolean)',
    );
    await client.query(
      `INSERT INTO subscribers SELECT gen_random_uuid(), * FROM (VALUES
         ('Everyday wallet', 1700, 300, true), ('Fully held', 200, 200, true),
         ('Счёт с кириллицей', 310, 300, true), ('Closed account', 990, 20, false)) AS old`,
    );
  });
  return {
    setting: {
      holdfast,
      texts: new Map([['postgres://flask@old-db.example.com:5432/flask', database.url]]),
      env: { PGPASSWORD: database.connection.password },
    },
    end: database.drop,
  };
}

/** What the page has written into `.env`: `npm start` looks for that beside the files which a reader's clone links to. */
export function ownKey(): Promise<Surroundings> {
  const env = { AUTH: 'jwt', APP_SECRET_KEY: randomBytes(33).toString('base64') };
  return Promise.resolve({ setting: { env }, end: () => Promise.resolve() });
}

/** A PostgreSQL and a NATS that someone else runs. */
export async function ownServers(): Promise<Surroundings> {
  const servers = await Stack.start({ gateways: 0, ledgers: 0, settlers: 0 });
  return {
    setting: { env: { ...servers.database.env, NATS_URL: servers.nats.url } },
    end: () => servers.stop(),
  };
}

/** A bare machine: the page starts Holdfast. */
export function nothing(): Surroundings {
  return { setting: {}, end: () => Promise.resolve() };
}
