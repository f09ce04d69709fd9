import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { randomUUID } from 'node:crypto';
import { Pool } from 'pg';
import { eventSubject } from '../../../shared/contracts/subjects.ts';
import { connectNats, type NatsLink } from '../../../shared/messaging/connect.ts';
import { ensureStreams } from '../../../shared/messaging/streams.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import { eventually } from '../../../test/support/http.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { startTcpProxy, type TcpProxy } from '../../../test/tcp-proxy.ts';
import { migrate } from '../store/migrate.ts';
import type { OutboxMessage } from '../store/outbox-message.ts';
import { OutboxTable } from '../store/outbox-table.ts';
import { sessionConfig } from '../store/session.ts';
import { Outbox } from './outbox.ts';

const broker = new URL(process.env['TEST_NATS_URL'] ?? 'nats://127.0.0.1:4222');
const logger = createLogger('test', 'silent');

let database: TestDatabase;
let pool: Pool;
/** Between the outbox and the broker. */
let proxy: TcpProxy;
let link: NatsLink;
/** Hears what reaches the broker, on a line of its own. */
let listener: NatsLink;
let outbox: Outbox;

beforeAll(async () => {
  database = await createTestDatabase();
  const { address } = database;
  await migrate(address);
  pool = new Pool({ ...sessionConfig(address), max: 4 });
  pool.on('error', () => undefined);
  proxy = await startTcpProxy({ host: broker.hostname, port: Number(broker.port) });
  link = await connect(`nats://127.0.0.1:${proxy.port}`);
  listener = await connect(broker.href);
  await ensureStreams(listener.connection, 1);
  outbox = new Outbox({
    jetstream: jetstream(link.connection),
    table: new OutboxTable(pool),
    logger,
    metrics: createMetrics(),
    moreWaits: () => false,
    batchSpan: () => undefined,
  });
});

afterEach(() => proxy.deliver('toClient'));

afterAll(async () => {
  await outbox.stop();
  await Promise.all([link.drain(), listener.drain()]);
  await proxy.close();
  await pool.end();
  await database.drop();
});

function connect(url: string): Promise<NatsLink> {
  return connectNats({ urls: [url], name: 'outbox test', logger });
}

/** Messages in the outbox, as a batch leaves them there. */
async function commit(count: number): Promise<{ messages: OutboxMessage[]; ids: bigint[] }> {
  const messages = Array.from({ length: count }, (): OutboxMessage => {
    const messageId = `event:${randomUUID()}`;
    return { topic: 'event', messageId, payload: JSON.stringify([messageId]) };
  });
  const { rows } = await pool.query<{ id: bigint }>(
    `INSERT INTO outbox (topic, message_id, payload)
     SELECT 'event', message_id, payload FROM unnest($1::text[], $2::text[]) AS new (message_id, payload) RETURNING id`,
    [messages.map(({ messageId }) => messageId), messages.map(({ payload }) => payload)],
  );
  return { messages, ids: rows.map(({ id }) => id) };
}

test('at most 256 messages wait for the broker’s word; the relay sends what came on top', async () => {
  const { messages, ids } = await commit(300);
  const ours = new Set(messages.map(({ messageId }) => messageId));
  const heard: string[] = [];
  listener.connection.subscribe(eventSubject, {
    callback: (_, message) => {
      const [messageId] = message.json<string[]>();
      if (typeof messageId === 'string' && ours.has(messageId)) heard.push(messageId);
    },
  });
  await listener.connection.flush();

  // The broker takes them, and its words don't come back.
  proxy.hold('toClient');
  outbox.committed(messages, ids, []);
  await eventually(async () => (heard.length >= 256 ? true : undefined));
  await listener.connection.flush();
  expect(heard).toEqual(messages.slice(0, 256).map(({ messageId }) => messageId));

  proxy.deliver('toClient');
  outbox.start();
  await eventually(async () => {
    const { rowCount } = await pool.query('SELECT FROM outbox LIMIT 1');
    return rowCount === 0 ? true : undefined;
  }, 20_000);
  expect(new Set(heard)).toEqual(ours);
}, 30_000);
