import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { readGatewaySettings } from '../services/gateway/config.ts';
import { readLedgerSettings } from '../services/ledger/config.ts';
import { auditBooks } from '../services/ledger/audit/audit-books.ts';
import { prepareDatabase } from '../services/ledger/store/prepare-database.ts';
import { createLogger } from '../shared/telemetry/logger.ts';
import { SettingsError } from '../shared/config/parse-settings.ts';
import { openAccount } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { call, newKey, spread, type Answer } from './support/http.ts';
import { Stack } from './support/stack.ts';
import type { TestDatabase } from './support/test-database.ts';

/* The test clock: TEST_CLOCK=on at the gateway and the ledger. */

const hourS = 3_600;
const dayS = 24 * hourS;
const tenYearsS = 315_576_000;

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({
    gateways: 2,
    ledgers: 2,
    settlers: 0,
    holdPeriodMinutes: 60,
    env: { TEST_CLOCK: 'on' },
  });
}, 60_000);
afterAll(() => stack.stop());

const advance = (seconds: number, key = newKey(), gateway = 0): Promise<Answer> =>
  call(stack.url(gateway), '/api/advance-clock', { seconds }, { 'idempotency-key': key });
const hold = (id: string, options: object = {}): Promise<Answer> =>
  call(stack.url(), '/api/substract', { id, amount: '1.00', ...options });
const status = async (id: string) => (await call(stack.url(), `/api/status/${id}`)).body;
const account = async (): Promise<string> => openAccount((await stack.ledgerClient()).client, '100.00');

/** A ledger's start on these books, up to where it would serve. */
async function prepared({ address }: TestDatabase, testClock: boolean): Promise<unknown> {
  const logger = createLogger('test', 'silent');
  const stopping = new AbortController().signal;
  return prepareDatabase({
    owner: address,
    ledgerUser: undefined,
    testClock,
    logger,
    stopping,
    echo: undefined,
  });
}

/** The books' time, in ms. */
async function booksNow(): Promise<number> {
  const { status: code, body } = await advance(0);
  expect(code).toBe(200);
  return Date.parse(String(body['now']));
}

describe('time that is moved', () => {
  test('ends the holds that are due by then, and has been done when it is answered', async () => {
    const id = await account();
    await hold(id);
    await hold(id, { dueInSeconds: 2 * hourS, onDue: 'release' });
    await hold(id, { dueInSeconds: dayS });
    const before = await booksNow();

    const moved = await advance(hourS + 1);
    expect(moved).toMatchObject({ status: 200, body: { more: false } });
    expect(Date.parse(String(moved.body['now']))).toBeGreaterThanOrEqual(before + (hourS + 1) * 1_000);
    expect(await status(id)).toMatchObject({ balance: '99.00', held: '2.00', available: '97.00' });

    expect(await advance(hourS, newKey(), 1)).toMatchObject({ status: 200, body: { more: false } });
    expect(await status(id)).toMatchObject({ balance: '99.00', held: '1.00', available: '98.00' });
    const { body } = await call(stack.url(), `/api/status/${id}/entries?order=newest&limit=1`);
    const [entry] = body['entries'] as { at: string; kind: string; due: boolean }[];
    expect(entry).toMatchObject({ kind: 'release', due: true });
    expect(Date.parse(entry?.at ?? '')).toBeGreaterThan(before + 2 * hourS * 1_000);
  });

  test('is moved once for each key, by whichever gateway and ledger', async () => {
    const before = await booksNow();
    const key = newKey();
    const answers = await spread(8, 8, (index) => advance(hourS, key, index % 2));
    expect(answers.map(({ status: code }) => code)).toEqual(answers.map(() => 200));
    // Whoever else moves it in between.
    await advance(dayS);
    const again = await advance(hourS, key);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    expect(await advance(2 * hourS, key)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_conflict' },
    });
    const movedMs = (await booksNow()) - before - (hourS + dayS) * 1_000;
    expect(movedMs).toBeGreaterThanOrEqual(0);
    expect(movedMs).toBeLessThan(hourS * 1_000);
  });

  test('leaves no hold pending that is due by the time that is answered', async () => {
    const id = await account();
    for (let round = 0; round < 20; round += 1) {
      const held = await hold(id, { dueInSeconds: hourS });
      const { id: holdId, dueAt } = held.body['hold'] as { id: string; dueAt: string };
      // Just before, at, or just after its second.
      const { body } = await advance(hourS);
      const found = await call(stack.url(), `/api/status/${id}/holds/${holdId}`);
      const isDue = Date.parse(dueAt) <= Date.parse(String(body['now']));
      // One that is not due may be by now.
      expect(['settled', isDue ? 'settled' : 'pending']).toContain(found.body['status']);
    }
  });

  test('says that more is left while somebody keeps an account with a due hold locked', async () => {
    const id = await account();
    await hold(id);
    const books = await stack.books();
    try {
      await books.query('BEGIN');
      await books.query('SELECT FROM accounts WHERE id = $1 FOR UPDATE', [id]);
      for (const seconds of [2 * hourS, 0, 0])
        expect(await advance(seconds)).toMatchObject({ status: 200, body: { more: true } });
    } finally {
      await books.end();
    }
    await eventually(async () => ((await advance(0)).body['more'] === false ? true : undefined));
    expect(await status(id)).toMatchObject({ balance: '99.00', held: '0.00' });
  });

  test('is that of commands right away, whose deadlines stay in real time', async () => {
    const id = await account();
    for (let round = 0; round < 5; round += 1) {
      await advance(dayS);
      const held = await hold(id, { dueInSeconds: hourS });
      expect(held.status).toBe(200);
      const { dueAt } = held.body['hold'] as { dueAt: string };
      expect(Math.abs(Date.parse(dueAt) - (await booksNow()) - hourS * 1_000)).toBeLessThan(10_000);
    }
  });

  test('lets a hold that falls due by itself be settled in its time, as the settler sees it', async () => {
    await stack.add('settler');
    const { client } = await stack.ledgerClient();
    const id = await openAccount(client, '100.00');
    await advance(dayS);
    const nowMs = await booksNow();
    // Once a service has heard of it, which it asks for once a second.
    await eventually(async () => ((client.booksNow() ?? 0) >= nowMs ? true : undefined));
    await hold(id, { dueInSeconds: 2 });
    const settled = await eventually(async () => {
      const now = await status(id);
      return now['held'] === '0.00' ? now : undefined;
    });
    expect(settled).toMatchObject({ balance: '99.00' });
  });

  test('is the settler’s as well, of what was announced by the time of before', async () => {
    const id = await account();
    await hold(id, { dueInSeconds: 600 });
    // Its message is parked for ten minutes now, most likely.
    await advance(597);
    const settled = await eventually(async () => {
      const now = await status(id);
      return now['held'] === '0.00' ? now : undefined;
    });
    expect(settled).toMatchObject({ balance: '99.00' });
  });

  test('ends many holds, on as many calls as it takes', async () => {
    const id = await account();
    const { client } = await stack.ledgerClient();
    const holds = Array.from({ length: 2_000 }, () => ({ id: randomUUID(), accountId: id, amount: '0.01' }));
    const outcomes = await Promise.all(holds.map((command) => client.send('subtract', command)));
    expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
    let more = true;
    for (let seconds = 2 * hourS; more; seconds = 0) {
      const { body } = await advance(seconds);
      more = body['more'] as boolean;
    }
    expect(await status(id)).toMatchObject({ balance: '80.00', held: '0.00' });
  });
});

describe('what is refused', () => {
  test.each([{ seconds: -1 }, { seconds: 1.5 }, { seconds: tenYearsS + 1 }, { seconds: '600' }, {}])(
    '%j',
    async (body) => {
      const before = await booksNow();
      expect(await call(stack.url(), '/api/advance-clock', body)).toMatchObject({
        status: 400,
        body: { code: 'invalid_request', fields: [{ field: 'seconds' }] },
      });
      expect((await booksNow()) - before).toBeLessThan(60_000);
    },
  );

  test('a production with a clock that can be moved', () => {
    const env = { TEST_CLOCK: 'on', NODE_ENV: 'Production' };
    for (const read of [readGatewaySettings, readLedgerSettings]) {
      expect(() => read(env)).toThrow(
        new SettingsError([
          'TEST_CLOCK is on, and NODE_ENV is production: a clock that anyone can move is for tests alone',
        ]),
      );
    }
  });

  test('to move the clock of a ledger that has none, and its route', async () => {
    const other = await Stack.start({ gateways: 0, settlers: 0 });
    try {
      await other.add('gateway');
      await other.add('gateway', { TEST_CLOCK: 'on' });
      const move = (gateway: number) => call(other.url(gateway), '/api/advance-clock', { seconds: 1 });
      expect(await move(0)).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect(await move(1)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    } finally {
      await other.stop();
    }
  }, 60_000);
});

describe('books whose clock was moved', () => {
  test('are in order', async () => {
    const { findings } = await auditBooks(stack.database.address);
    expect(findings).toEqual([]);
  }, 60_000);

  test('have no ledger that goes by real time', async () => {
    await expect(prepared(stack.database, false)).rejects.toThrow(
      /has a test clock that is [0-9:.]+ \(hours, minutes, seconds\) ahead: set TEST_CLOCK=on, or take another/,
    );
  });

  test('are those that had one from their first entry on, and no others', async () => {
    const real = await Stack.start({ gateways: 0, settlers: 0 });
    try {
      await prepared(real.database, true);
      await prepared(real.database, false);
      await openAccount((await real.ledgerClient()).client);
      // It was movable before that.
      await prepared(real.database, true);
    } finally {
      await real.stop();
    }
    const other = await Stack.start({ gateways: 0, settlers: 0 });
    try {
      await openAccount((await other.ledgerClient()).client);
      await expect(prepared(other.database, true)).rejects.toThrow(
        'was begun without TEST_CLOCK=on, so its time stays: take another database',
      );
    } finally {
      await other.stop();
    }
  }, 60_000);
});

// At the end: the clock is a hundred years ahead then.
test('the clock goes no farther than a hundred years', async () => {
  const answers: Answer[] = [];
  for (let decade = 0; decade < 10; decade += 1) answers.push(await advance(tenYearsS));
  expect(answers.at(-1)).toMatchObject({
    status: 400,
    body: {
      code: 'invalid_request',
      fields: [{ field: 'seconds', message: 'must not put the clock more than 100 years ahead' }],
    },
  });
  const id = await account();
  expect(await hold(id, { dueInSeconds: tenYearsS })).toMatchObject({ status: 200 });
});
