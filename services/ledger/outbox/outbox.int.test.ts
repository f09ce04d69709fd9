import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { randomUUID } from 'node:crypto';
import { Pool } from 'pg';
import { maxMessageBytes } from '../../../shared/contracts/limits.ts';
import { eventsStream, eventSubject } from '../../../shared/contracts/subjects.ts';
import { connectNats, type NatsLink } from '../../../shared/messaging/connect.ts';
import { ensureStreams } from '../../../shared/messaging/streams.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import { eventually } from '../../../test/support/http.ts';
import { untilOutboxIsEmpty } from '../../../test/support/outbox.ts';
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
    maxPayload: () => maxMessageBytes,
    table: new OutboxTable(pool),
    logger,
    metrics: createMetrics(),
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

/** Hears each message that has rows of these in it, as their ids. */
async function hear(messages: readonly OutboxMessage[]): Promise<string[][]> {
  const ours = new Set(messages.map(({ messageId }) => messageId));
  const heard: string[][] = [];
  listener.connection.subscribe(eventSubject, {
    callback: (_, message) => {
      const ids = message.json<string[]>().filter((id) => ours.has(id));
      if (ids.length > 0) heard.push(ids);
    },
  });
  await listener.connection.flush();
  return heard;
}

/** What the stream holds, from a message on. */
async function factsSince(first: number): Promise<unknown[]> {
  const { streams } = await jetstreamManager(listener.connection);
  const { state } = await streams.info(eventsStream);
  const facts: unknown[] = [];
  for (let seq = first; seq <= state.last_seq; seq += 1) {
    const message = await streams.getMessage(eventsStream, { seq });
    facts.push(...(message?.json<unknown[]>() ?? []));
  }
  return facts;
}

test('facts of batches that are committed together leave as one message', async () => {
  const { messages, ids } = await commit(3);
  const heard = await hear(messages);
  messages.forEach((message, index) => outbox.committed([message], ids.slice(index, index + 1), []));
  await untilOutboxIsEmpty(pool);
  expect(heard).toEqual([messages.map(({ messageId }) => messageId)]);
});

test('none of them is dropped because another ledger’s relay sent one of them before', async () => {
  const { messages, ids } = await commit(3);
  const { payload, messageId: msgID } = messages.at(0) ?? { payload: '', messageId: '' };
  const { seq } = await jetstream(listener.connection).publish(eventSubject, payload, { msgID });
  outbox.committed(messages, ids, []);
  await untilOutboxIsEmpty(pool);
  expect(await factsSince(seq)).toEqual(expect.arrayContaining(messages.map(({ messageId }) => messageId)));
});

test('at most 256 messages wait for the broker’s word; the relay sends what came on top', async () => {
  const { messages, ids } = await commit(300);
  const heard = await hear(messages);

  // The broker takes them, and its words don't come back.
  proxy.hold('toClient');
  outbox.committed(messages, ids, []);
  await eventually(async () => (heard.flat().length >= 256 ? true : undefined));
  await listener.connection.flush();
  expect(heard.flat()).toEqual(messages.slice(0, 256).map(({ messageId }) => messageId));

  proxy.deliver('toClient');
  outbox.start();
  await untilOutboxIsEmpty(pool);
  expect(new Set(heard.flat())).toEqual(new Set(messages.map(({ messageId }) => messageId)));
}, 30_000);
