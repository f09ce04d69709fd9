import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager, type JetStreamClient } from '@nats-io/jetstream';
import { randomUUID } from 'node:crypto';
import { Pool } from 'pg';
import { maxMessageBytes } from '../../../shared/contracts/limits.ts';
import { eventsStream, eventSubject, holdDueSubject } from '../../../shared/contracts/subjects.ts';
import { connectNats, type NatsLink } from '../../../shared/messaging/connect.ts';
import { maxPayloadOf } from '../../../shared/messaging/max-payload.ts';
import { ensureStreams } from '../../../shared/messaging/streams.ts';
import { traceHeaders } from '../../../shared/messaging/trace-headers.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { untilOutboxIsEmpty } from '../../../test/support/outbox.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { startTcpProxy, type TcpProxy } from '../../../test/support/tcp-proxy.ts';
import { migrate } from '../store/migrate.ts';
import type { StoredMessage } from '../store/outbox-message.ts';
import { OutboxTable } from '../store/outbox-table.ts';
import { sessionConfig } from '../store/session.ts';
import type { SendableMessage } from './messages.ts';
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
const outboxes: Outbox[] = [];

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
});

beforeEach(() => {
  outbox = openOutbox(jetstream(link.connection));
});

afterEach(async () => {
  proxy.deliver('toClient');
  await Promise.all(outboxes.splice(0).map(async (each) => each.stop()));
  await pool.query('DELETE FROM outbox');
});

afterAll(async () => {
  await Promise.all([link.drain(), listener.drain()]);
  await proxy.close();
  await pool.end();
  await database.drop();
});

function openOutbox(client: JetStreamClient): Outbox {
  const opened = new Outbox({
    jetstream: client,
    maxPayload: () => maxMessageBytes,
    table: new OutboxTable(pool),
    logger,
    metrics: createMetrics(),
    batchSpan: () => undefined,
  });
  outboxes.push(opened);
  return opened;
}

/** One whose broker does as it is told. */
function openOutboxFor(publish: (subject: string, facts: string[]) => Promise<unknown>): Outbox {
  const client = {
    publish: (subject: string, payload: string) => publish(subject, JSON.parse(payload) as string[]),
  };
  return openOutbox(client as unknown as JetStreamClient);
}

function connect(url: string): Promise<NatsLink> {
  return connectNats({ urls: [url], name: 'outbox test', logger });
}

/** Messages in the outbox, as batches leave them there. Each tells these facts, or its own id. */
async function commit(count: number, facts?: readonly string[]): Promise<StoredMessage<SendableMessage>[]> {
  const messages = Array.from({ length: count }, (): SendableMessage => {
    const messageId = `event:${randomUUID()}`;
    const texts = (facts ?? [messageId]).map((fact) => JSON.stringify(fact));
    return {
      topic: 'event',
      messageId,
      payload: `[${texts.join(',')}]`,
      entries: [],
      facts: texts,
    };
  });
  const { rows } = await pool.query<{ id: bigint }>(
    `INSERT INTO outbox (topic, message_id, payload)
     SELECT 'event', message_id, payload FROM unnest($1::text[], $2::text[]) AS new (message_id, payload) RETURNING id`,
    [messages.map(({ messageId }) => messageId), messages.map(({ payload }) => payload)],
  );
  return messages.flatMap((message, index) => {
    const row = rows[index];
    return row === undefined ? [] : [{ id: row.id, message }];
  });
}

const idsOf = (stored: readonly StoredMessage[]) => stored.map(({ message }) => message.messageId);

/** Rows that were left so long ago that a relay sends them: a topic, a payload, and the entries of an account that isn't there. */
async function leave(count: number, topic: string, payload: string, seqs = '{}'): Promise<void> {
  await pool.query(
    `INSERT INTO outbox (topic, message_id, payload, account_ids, first_seqs, last_seqs, at)
     SELECT $2, 'left:' || gen_random_uuid(), $3, array_fill(gen_random_uuid(), ARRAY[cardinality($4::bigint[])]), $4, $4,
       clock_timestamp() - interval '1 minute'
     FROM generate_series(1, $1)`,
    [count, topic, payload, seqs],
  );
}

async function rowsLeft(): Promise<number> {
  const { rowCount } = await pool.query('SELECT FROM outbox');
  return rowCount ?? 0;
}

/** Hears each message that tells some of these facts, as those. */
async function hear(facts: readonly string[]): Promise<string[][]> {
  const ours = new Set(facts);
  const heard: string[][] = [];
  listener.connection.subscribe(eventSubject, {
    callback: (_, message) => {
      const told = message.json<string[]>().filter((fact) => ours.has(fact));
      if (told.length > 0) heard.push(told);
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
  const stored = await commit(3);
  const heard = await hear(idsOf(stored));
  for (const each of stored) outbox.committed([each], []);
  await untilOutboxIsEmpty(pool);
  await listener.connection.flush();
  expect(heard).toEqual([idsOf(stored)]);
});

test('none of them is dropped because another ledger’s relay sent one of them before', async () => {
  const stored = await commit(3);
  const { payload, messageId: msgID } = stored[0]?.message ?? { payload: '', messageId: '' };
  const { seq } = await jetstream(listener.connection).publish(eventSubject, payload, { msgID });
  outbox.committed(stored, []);
  await untilOutboxIsEmpty(pool);
  await listener.connection.flush();
  expect(await factsSince(seq)).toEqual(expect.arrayContaining(idsOf(stored)));
});

test('a batch that is too large for one message leaves in several', async () => {
  const facts = ['a', 'b', 'c'].map((letter) => letter.repeat(0.4 * maxMessageBytes));
  const stored = await commit(1, facts);
  const heard = await hear(facts);
  outbox.committed(stored, []);
  await untilOutboxIsEmpty(pool);
  await listener.connection.flush();
  expect(heard).toEqual([facts.slice(0, 2), facts.slice(2)]);
});

test('and is there until the broker has all of them', async () => {
  const facts = ['small', 'larger than the broker takes'.repeat(100_000), 'small too'];
  const stored = await commit(1, facts);
  const heard = await hear(facts);
  outbox.committed(stored, []);
  await outbox.stop();
  await listener.connection.flush();
  expect(heard).toEqual([['small'], ['small too']]);
  expect(await rowsLeft()).toBe(1);
});

test('the largest message that a broker takes leaves with all its headers', async () => {
  const size = maxPayloadOf(listener.connection);
  expect(size).toBeLessThan(listener.connection.info?.max_payload ?? 0);
  const payload = `["${'x'.repeat(size - '[""]'.length)}"]`;
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const options = { msgID: `event:${'0'.repeat(64)}`, ...traceHeaders(traceparent) };
  const { stream } = await jetstream(listener.connection).publish(eventSubject, payload, options);
  expect(stream).toBe(eventsStream);
});

test.each([
  ['tells of entries that the journal lacks', '[]', '{1,2}'],
  ['can’t be read', 'no JSON', '{}'],
])('the relay sends the rows behind one that %s', async (_, payload, seqs) => {
  await leave(1, 'event', payload, seqs);
  const fact = randomUUID();
  await leave(1, 'event', JSON.stringify([fact]));
  const heard = await hear([fact]);
  outbox.start();
  await eventually(async () => ((await rowsLeft()) === 1 ? true : undefined));
  await listener.connection.flush();
  expect(new Set(heard.flat())).toEqual(new Set([fact]));
  const { rows } = await pool.query<{ payload: string }>('SELECT payload FROM outbox');
  expect(rows).toEqual([{ payload }]);
});

test('the relay sends the rows behind two hundred that its own ledger has on their way', async () => {
  const gaveUp: (() => void)[] = [];
  const tried: string[] = [];
  const own = openOutboxFor((_, facts) => {
    tried.push(...facts);
    return new Promise((resolve) => gaveUp.push(() => resolve({})));
  });
  const stored = await commit(200);
  await pool.query(`UPDATE outbox SET at = at - interval '1 minute'`);
  own.committed(stored, []);
  await leave(1, 'event', '["behind"]');
  own.start();
  try {
    await eventually(async () => (tried.includes('behind') ? true : undefined));
    expect(tried).toEqual([...idsOf(stored), 'behind']);
  } finally {
    for (const giveUp of gaveUp) giveUp();
  }
});

test('the relay tries ten rows of a kind at a broker that takes none, and then those behind', async () => {
  const facts = Array.from({ length: 25 }, () => randomUUID());
  for (const fact of facts) await leave(1, 'event', JSON.stringify([fact]));
  await leave(1, 'due', '[]');
  const tried: string[] = [];
  const triedAtLooks: string[][] = [];
  openOutboxFor((subject, some) => {
    if (subject === holdDueSubject) triedAtLooks.push(tried.splice(0));
    else tried.push(...some);
    return Promise.reject(new Error('no broker'));
  }).start();
  const looks = await eventually(async () => (triedAtLooks.length > 4 ? triedAtLooks : undefined), 20_000);
  const expected = [[], facts.slice(0, 10), facts.slice(10, 20), facts.slice(20), facts.slice(0, 10)];
  expect(looks.slice(0, 5)).toEqual(expected);
}, 30_000);

test('and reads no more for one that says nothing', async () => {
  await leave(25, 'event', '["x"]');
  const unanswered: (() => void)[] = [];
  const refuse = () => new Promise((_, reject) => unanswered.push(() => reject(new Error('no answer'))));
  openOutboxFor(refuse).start();
  try {
    await eventually(async () => (unanswered.length >= 10 ? true : undefined));
    await rowsLeft();
    expect(unanswered).toHaveLength(10);
  } finally {
    for (const giveUp of unanswered) giveUp();
  }
});

describe('after the database’s clock was put back', () => {
  test('the relay sends what was left before', async () => {
    const stored = await commit(1);
    await pool.query(`UPDATE outbox SET at = at + interval '1 year'`);
    const heard = await hear(idsOf(stored));
    outbox.start();
    await untilOutboxIsEmpty(pool);
    await listener.connection.flush();
    expect(heard.flat()).toEqual(idsOf(stored));
  });

  test('the once-a-minute turn announces what comes into the hour, once', async () => {
    await pool.query(`UPDATE announcements SET announced_until = clock_timestamp() + interval '1 year'`);
    const { rows } = await pool.query<{ second: string }>(
      `INSERT INTO holds (account_id, id, amount, remaining, due_at, command_id, version, status, on_due)
       SELECT gen_random_uuid(), gen_random_uuid(), 1, 1, date_trunc('second', clock_timestamp() + interval '30 minutes'),
         gen_random_uuid(), 1, 'pending', 'settle'
       RETURNING to_char(due_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS second`,
    );
    const table = new OutboxTable(pool);
    try {
      expect(idsOf(await table.announceComing())).toEqual(rows.map(({ second }) => `due:${second}`));
      expect(await table.announceComing()).toEqual([]);
    } finally {
      await pool.query('DELETE FROM holds');
    }
  });
});

test('at most 256 messages wait for the broker’s word; the relay sends what came on top', async () => {
  const stored = await commit(300);
  const heard = await hear(idsOf(stored));

  // The broker takes them, and its words don't come back.
  proxy.hold('toClient');
  outbox.committed(stored, []);
  await eventually(async () => (heard.flat().length >= 256 ? true : undefined));
  await listener.connection.flush();
  expect(heard.flat()).toEqual(idsOf(stored).slice(0, 256));

  proxy.deliver('toClient');
  outbox.start();
  await untilOutboxIsEmpty(pool);
  await listener.connection.flush();
  expect(new Set(heard.flat())).toEqual(new Set(idsOf(stored)));
}, 30_000);
