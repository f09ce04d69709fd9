import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Client } from 'pg';
import { createLedgerClient, type LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { createLogger } from '../shared/telemetry/logger.ts';
import { createMetrics } from '../shared/telemetry/metrics.ts';
import type { NatsLink } from '../shared/messaging/connect.ts';
import { connectToNats } from './chaos/evidence.ts';
import { ChaosStack, makeRunFolder, Servers } from './chaos/stack/chaos-stack.ts';
import type { Victim } from './chaos/stack/victim.ts';
import { openAccount } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { call, newKey, type Answer } from './support/http.ts';

const root = join(import.meta.dirname, '..');
/** Requests of each wave: the first finds everything as it was, later ones what is known by then. */
const wave = 10;
const waves = 3;
const betweenWavesMs = 1_000;
/** Past every deadline: callers over HTTP are told within 5 s. */
const afterLastAnswerMs = 1_500;
/** Far longer than coming back takes. */
const patienceMs = 60_000;

describe('a command whose caller was told that it was not applied is never applied', () => {
  let folder: Awaited<ReturnType<typeof makeRunFolder>>;
  let servers: Servers;
  let stack: ChaosStack;
  let link: NatsLink;
  let client: LedgerClient;
  let books: Client;
  const ended: string[] = [];
  const onOwnEnd = (text: string): void => void ended.push(text);
  beforeAll(async () => {
    folder = await makeRunFolder();
    servers = await Servers.start(folder.path, onOwnEnd, false);
    const options = {
      root,
      folder: folder.path,
      gateways: 1,
      ledgers: 1,
      settlers: 1,
      holdPeriodMinutes: 10,
    };
    stack = await ChaosStack.start(servers, { ...options, onOwnEnd }, 'deadlines');
    link = await connectToNats(servers.natsAddress.url);
    client = createLedgerClient({ link, logger: createLogger('test', 'silent'), metrics: createMetrics() });
    books = await stack.books();
  }, 120_000);
  afterAll(async () => {
    await books.end();
    await client.close();
    await link.drain();
    await stack.stop();
    await servers.stop();
    await folder.remove();
  }, 60_000);

  const add = (id: string, key = newKey()): Promise<Answer> => {
    const url = `http://127.0.0.1:${stack.one('gateway').line('http').port}`;
    return call(url, '/api/add', { id, amount: '0.01' }, { 'idempotency-key': key });
  };
  const appliedTo = async (id: string): Promise<Set<string>> => {
    const { rows } = await books.query<{ command_id: string }>(
      `SELECT command_id FROM entries WHERE account_id = $1 AND kind = 'add'`,
      [id],
    );
    return new Set(rows.map((row) => row.command_id));
  };
  const victims: Record<string, () => Victim> = {
    'the ledger': () => stack.one('ledger'),
    PostgreSQL: () => servers.postgres,
    'nats-server': () => servers.nats,
  };

  test.each(Object.keys(victims))(
    'while %s is frozen for longer than the deadline',
    async (name) => {
      const id = await openAccount(client);
      expect((await add(id)).status).toBe(200);
      const thaw = victims[name]?.().freeze();
      const asked: Promise<Answer>[] = [];
      for (let each = 0; each < waves; each += 1) {
        asked.push(...Array.from({ length: wave }, () => add(id)));
        await untilMs(Date.now() + betweenWavesMs);
      }
      const answers = await Promise.all(asked);
      await untilMs(Date.now() + afterLastAnswerMs);
      thaw?.();
      const told = (status: number): readonly string[] =>
        answers
          .filter((answer) => answer.status === status)
          .map(({ body }) => String(body['idempotencyKey']));
      const commandIds = new Map(
        answers.map(({ body }) => [String(body['idempotencyKey']), String(body['commandId'])]),
      );
      expect(
        answers.map(({ status }) => status).filter((status) => status !== 503 && status !== 504),
      ).toEqual([]);

      // What was sent before is behind it when a later command of the same account is done.
      await eventually(async () => ((await add(id)).status === 200 ? true : undefined), patienceMs);
      for (const key of told(504)) {
        await eventually(async () => ((await add(id, key)).status === 200 ? true : undefined), patienceMs);
      }
      const applied = await appliedTo(id);
      const of = (keys: readonly string[]): boolean[] =>
        keys.map((key) => applied.has(commandIds.get(key) ?? ''));
      expect(of(told(503))).toEqual(told(503).map(() => false));
      expect(of(told(504))).toEqual(told(504).map(() => true));
      expect(ended).toEqual([]);
    },
    180_000,
  );

  test('also when its own caller sends it to a frozen ledger with a deadline, and does not wait for it', async () => {
    const accountId = await openAccount(client);
    const thaw = stack.one('ledger').freeze();
    const late = { id: randomUUID(), accountId, amount: '0.01', deadline: Date.now() + 200 };
    link.connection.publish('balance.command.add', JSON.stringify(late), { reply: 'nobody.listens' });
    await untilMs(late.deadline + 300);
    thaw();
    await eventually(async () => {
      const marker = await client.send('add', { id: randomUUID(), accountId, amount: '0.01' });
      return marker.ok ? true : undefined;
    }, patienceMs);
    expect((await appliedTo(accountId)).has(late.id)).toBe(false);
  }, 120_000);
});

/** Deadlines are times: that one is over is what is waited for. */
async function untilMs(timeMs: number): Promise<void> {
  await eventually(async () => (Date.now() > timeMs ? true : undefined));
}
