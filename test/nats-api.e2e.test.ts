import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { randomUUID } from 'node:crypto';
import { eventSchema, type Fact } from '../shared/contracts/events.ts';
import type { HoldView } from '../shared/contracts/outcomes.ts';
import type { HoldId } from '../shared/contracts/primitives.ts';
import type { EntryDetail } from '../shared/contracts/queries.ts';
import { settleCommandIdFor } from '../services/ledger/domain/hold.ts';
import type { LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { openAccount, placeHold } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { Stack } from './support/stack.ts';

/** The protocol as a client in any language sees it: subjects and JSON. */
describe('the NATS API', () => {
  let stack: Stack;
  let client: LedgerClient;
  let nats: NatsConnection;
  const facts: Fact[] = [];
  beforeAll(async () => {
    stack = await Stack.start({ gateways: 0, ledgers: 1 });
    const connected = await stack.ledgerClient();
    client = connected.client;
    nats = connected.link.connection;
    nats.subscribe('balance.event', {
      callback: (_, message) => {
        facts.push(...eventSchema.parse(message.json()));
      },
    });
  }, 60_000);
  afterAll(() => stack.stop());

  const request = async (subject: string, payload: unknown): Promise<unknown> => {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
    return (await nats.request(subject, text, { timeout: 5_000 })).json();
  };

  const factOf = (commandId: string): Promise<Fact> =>
    eventually(() => Promise.resolve(facts.find((fact) => fact.commandId === commandId)));

  test('answers a single command with a single outcome', async () => {
    const accountId = randomUUID();
    const id = randomUUID();
    const outcome = await request('balance.command.open', {
      id,
      accountId: accountId.toUpperCase(),
      name: 'Кошелёк',
    });
    expect(outcome).toMatchObject({
      ok: true,
      commandId: id,
      replayed: false,
      account: { id: accountId, version: 1 },
    });
  });

  test('takes metadata in any order for the same', async () => {
    const open = { id: randomUUID(), accountId: randomUUID(), name: 'Wallet' };
    const outcomes = await request('balance.command.open', [
      { ...open, metadata: { shop: 'north', tier: 'gold' } },
      { ...open, metadata: { tier: 'gold', shop: 'north' } },
    ]);
    expect(outcomes).toMatchObject([{ ok: true }, { ok: true, replayed: true }]);
  });

  test('answers an array element by element, and one bad one harms no other', async () => {
    const accountId = await openAccount(client, '10.00');
    const add = (amount: unknown) => ({ id: randomUUID(), accountId, amount });
    const outcomes = await request('balance.command.add', [
      add('1.00'),
      add(1),
      add('-1'),
      'junk',
      add('2.00'),
      null,
    ]);
    expect(outcomes).toMatchObject([
      { ok: true, account: { balance: '11.00' } },
      { ok: false, error: { code: 'invalid_request', fields: [{ field: 'amount' }] } },
      { ok: false, error: { code: 'invalid_request' } },
      { ok: false, error: { code: 'invalid_request' } },
      { ok: true, account: { balance: '13.00' } },
      { ok: false, error: { code: 'invalid_request' } },
    ]);
  });

  test('answers junk with what is wrong, and goes on', async () => {
    const accountId = await openAccount(client, '10.00');
    const invalid = { ok: false, error: { code: 'invalid_request' } };
    expect(await request('balance.command.add', '{"id":')).toMatchObject(invalid);
    expect(await request('balance.command.add', '')).toMatchObject(invalid);
    expect(await request('balance.command.add', '\u00ff\u0000')).toMatchObject(invalid);
    expect(await request('balance.command.add', [])).toMatchObject(invalid);
    expect(
      await request(
        'balance.command.add',
        Array.from({ length: 1_025 }, () => 1),
      ),
    ).toMatchObject(invalid);
    expect(await request('balance.command.add', 'x'.repeat(600_000))).toMatchObject(invalid);
    expect(await request('balance.command.nonsense', {})).toMatchObject(invalid);
    expect(await request('balance.query.nonsense', {})).toMatchObject(invalid);
    expect(await request('balance.query.account', '[')).toMatchObject(invalid);
    // Nobody to answer: not carried out.
    nats.publish('balance.command.add', JSON.stringify({ id: randomUUID(), accountId, amount: '1.00' }));
    nats.publish('balance.query.account', '{}');
    nats.publish('balance.command.add', 'junk');
    expect(await request('balance.query.account', { accountId })).toMatchObject({
      ok: true,
      account: { balance: '10.00' },
    });
  });

  test('settles and releases holds, waiting or not, and tells it as facts', async () => {
    const accountId = await openAccount(client, '10.00');
    const hold = () => placeHold(client, accountId, '3.00');
    const [part, whole, given] = [await hold(), await hold(), await hold()];
    const ending = (holdId: HoldId, amount?: string) => ({
      id: randomUUID(),
      accountId,
      holdId,
      ...(amount !== undefined && { amount }),
    });
    const settles = [ending(part, '1.00'), ending(whole)];
    const settled = { ok: true, entry: { kind: 'settle' }, hold: { amount: '3.00', status: 'settled' } };
    expect(await request('balance.command.settle', settles)).toMatchObject([
      { ...settled, account: { balance: '9.00', held: '6.00' } },
      { ...settled, account: { balance: '6.00', held: '3.00' } },
    ]);
    const released = { ok: true, entry: { kind: 'release' }, hold: { amount: '3.00', status: 'released' } };
    expect(await request('balance.command.release', ending(given))).toMatchObject({
      ...released,
      account: { balance: '6.00', held: '0.00', available: '6.00' },
    });
    expect(await request('balance.command.release', ending(whole))).toMatchObject({
      ok: false,
      error: {
        code: 'hold_not_pending',
        detail: `Hold ${whole} is settled already.`,
        hold: { id: whole, status: 'settled' },
      },
    });
    const [first] = settles;
    if (first === undefined) throw new Error('there is a first one');
    expect(await factOf(first.id)).toMatchObject({
      kind: 'settle',
      amount: '1.00',
      holdId: part,
      held: '6.00',
      released: '2.00',
    });
    expect(await request('balance.query.hold', { accountId, holdId: part })).toMatchObject({
      hold: { amount: '3.00', remaining: '0.00', status: 'settled', version: 2 },
    });
    const last = await hold();
    const [accepted, refused] = [ending(last), ending(last)];
    await jetstream(nats).publish('balance.async.release', JSON.stringify([accepted, refused]));
    expect(await factOf(accepted.id)).toMatchObject({ type: 'entry', kind: 'release', holdId: last });
    expect(await factOf(refused.id)).toMatchObject({ type: 'refusal', code: 'hold_not_pending' });
  });

  test('keeps the ids of settlings to itself: nobody can be there before the hold is due', async () => {
    const accountId = await openAccount(client, '10.00');
    const id = settleCommandIdFor(await placeHold(client, accountId, '4.00'));
    expect(await request('balance.command.add', { id, accountId, amount: '1.00' })).toMatchObject({
      ok: false,
      error: { code: 'invalid_request', fields: [{ field: 'id' }] },
    });
  });

  test('gives up an answer that is too large before it has read it all', async () => {
    const accountId = await openAccount(client);
    const adds = Array.from({ length: 499 }, () => ({ id: randomUUID(), accountId, amount: '0.01' }));
    await request('balance.command.add', adds);
    const page = { accountId, limit: 500 };
    expect(
      await request(
        'balance.query.entries',
        Array.from({ length: 1_024 }, () => page),
      ),
    ).toMatchObject({
      ok: false,
      error: { code: 'invalid_request', detail: 'The answer is too large; ask for less.' },
    });
  });

  test('gives a conflict within one array, and a repetition its first outcome', async () => {
    const accountId = await openAccount(client, '10.00');
    const id = randomUUID();
    const outcomes = await request('balance.command.subtract', [
      { id, accountId, amount: '1.00' },
      { id, accountId, amount: '1' },
      { id, accountId, amount: '2.00' },
    ]);
    expect(outcomes).toMatchObject([
      { ok: true, replayed: false, account: { available: '9.00' } },
      { ok: true, replayed: true, account: { available: '9.00' } },
      { ok: false, error: { code: 'idempotency_conflict' } },
    ]);
  });

  test('keeps a narrowed caller to its accounts', async () => {
    const [mine, foreign] = await Promise.all([openAccount(client, '1.00'), openAccount(client, '1.00')]);
    const narrowed = { allowedAccounts: [mine] };
    const add = (accountId: string | undefined) => ({
      id: randomUUID(),
      accountId,
      amount: '1.00',
      ...narrowed,
    });
    expect(await request('balance.command.add', [add(mine), add(foreign)])).toMatchObject([
      { ok: true },
      { ok: false, error: { code: 'forbidden' } },
    ]);
    expect(
      await request('balance.query.account', [
        { accountId: mine, ...narrowed },
        { accountId: foreign, ...narrowed },
        { accountId: randomUUID(), ...narrowed },
      ]),
    ).toMatchObject([
      { ok: true },
      { ok: false, error: { code: 'forbidden' } },
      { ok: false, error: { code: 'forbidden' } },
    ]);
  });

  test('drops a command past its deadline, for good', async () => {
    const accountId = await openAccount(client, '1.00');
    const command = { id: randomUUID(), accountId, amount: '1.00' };
    const late = await request('balance.command.add', { ...command, deadline: Date.now() - 60_000 });
    expect(late).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    expect(await request('balance.query.account', { accountId })).toMatchObject({
      account: { balance: '1.00', version: 2 },
    });
  });

  test('lists accounts, holds and entries a page at a time', async () => {
    const accountId = await openAccount(client, '10.00');
    for (const amount of ['1.00', '2.00', '3.00']) {
      await request('balance.command.subtract', { id: randomUUID(), accountId, amount });
    }
    const page = (await request('balance.query.entries', { accountId, limit: 2 })) as {
      entries: { seq: number }[];
    };
    expect(page.entries.map(({ seq }) => seq)).toEqual([1, 2]);
    const rest = (await request('balance.query.entries', { accountId, afterSeq: 2 })) as {
      entries: { seq: number }[];
    };
    expect(rest.entries.map(({ seq }) => seq)).toEqual([3, 4, 5]);
    const newest = { accountId, order: 'newest', limit: 2 };
    for (const [afterSeq, seqs] of [
      [undefined, [5, 4]],
      [4, [3, 2]],
      [2, [1]],
    ] as const) {
      const back = await request('balance.query.entries', { ...newest, afterSeq });
      expect(back).toMatchObject({ entries: seqs.map((seq) => ({ seq })) });
      expect((back as typeof page).entries).toHaveLength(seqs.length);
    }
    const { holds } = (await request('balance.query.holds', { accountId, status: 'pending' })) as {
      holds: { id: string; amount: string }[];
    };
    expect(holds.map(({ amount }) => amount)).toEqual(['1.00', '2.00', '3.00']);
    const after = await request('balance.query.holds', { accountId, after: holds[0]?.id, limit: 1 });
    expect(after).toMatchObject({ holds: [{ amount: '2.00' }] });
    const before = await request('balance.query.holds', {
      ...newest,
      after: holds[2]?.id,
      status: 'pending',
    });
    expect(before).toMatchObject({ holds: [{ amount: '2.00' }, { amount: '1.00' }] });
    expect(await request('balance.query.hold', { accountId, holdId: holds[2]?.id })).toMatchObject({
      ok: true,
      hold: { amount: '3.00', remaining: '3.00', status: 'pending', onDue: 'settle' },
    });
    expect(await request('balance.query.hold', { accountId, holdId: randomUUID() })).toMatchObject({
      error: { code: 'hold_not_found' },
    });
    expect(await request('balance.query.accounts', { limit: 1 })).toMatchObject({ ok: true, accounts: [{}] });
  });

  test('tells what money is for wherever it tells of it', async () => {
    const accountId = await openAccount(client, '10.00');
    const add = { id: randomUUID(), accountId, amount: '5.00', reference: 'invoice 2026-0815' };
    const take = { id: randomUUID(), accountId, amount: '3.00', reference: 'Bestellung №\u00a04711' };
    expect(await request('balance.command.add', add)).toMatchObject({ entry: { reference: add.reference } });
    const { hold } = (await request('balance.command.subtract', take)) as { hold: HoldView };
    expect(hold).toMatchObject({ reference: take.reference });
    const asked = { hold: { reference: take.reference } };
    expect(await request('balance.query.hold', { accountId, holdId: hold.id })).toMatchObject(asked);
    const settle = { id: randomUUID(), accountId, holdId: hold.id, amount: '1.00' };
    const settled = { ...asked, entry: { kind: 'settle', reference: take.reference } };
    for (const replayed of [false, true])
      expect(await request('balance.command.settle', settle)).toMatchObject({ ...settled, replayed });
    expect(
      await request('balance.command.release', { ...settle, amount: undefined, id: randomUUID() }),
    ).toMatchObject({
      error: { code: 'hold_not_pending', ...asked },
    });
    for (const [id, reference] of [
      [add.id, add.reference],
      [take.id, take.reference],
      [settle.id, take.reference],
    ] as const)
      expect(await factOf(id)).toMatchObject({ reference });
    expect(await request('balance.command.add', { ...add, reference: 'invoice 2026-0816' })).toMatchObject({
      error: { code: 'idempotency_conflict' },
    });
    const { entries } = (await request('balance.query.entries', { accountId, afterSeq: 2 })) as {
      entries: { details: { reference: string } }[];
    };
    expect(entries.map(({ details }) => details.reference)).toEqual(
      [add, take, take].map((of) => of.reference),
    );
    const named = await request('balance.query.entries', { accountId, reference: take.reference });
    expect(named).toEqual({ ok: true, entries: entries.slice(1) });
    expect(await request('balance.query.entries', { accountId, reference: 'Bestellung' })).toEqual({
      ok: true,
      entries: [],
    });
    for (const [reference, holds] of [
      [take.reference, [{ id: hold.id, ...asked.hold }]],
      [add.reference, []],
    ] as const)
      expect(await request('balance.query.holds', { accountId, reference })).toMatchObject({ holds });
  });

  test('an entry about a hold tells which, and how it ended', async () => {
    const accountId = await openAccount(client, '10.00');
    const take = (more: object) =>
      request('balance.command.subtract', { id: randomUUID(), accountId, amount: '3.00', ...more });
    const [parted, given, lapsed] = (await Promise.all([
      take({}),
      take({ onDue: 'release' }),
      take({ onDue: 'release', dueInSeconds: 1, reference: 'seat 12a' }),
    ])) as { hold: HoldView }[];
    const end = { accountId, holdId: parted?.hold.id, amount: '1.00' };
    await request('balance.command.settle', { ...end, id: randomUUID() });
    await request('balance.command.release', { accountId, holdId: given?.hold.id, id: randomUUID() });
    const of = async (each: typeof parted) => {
      const { entries } = (await request('balance.query.entries', { accountId, holdId: each?.hold.id })) as {
        entries: EntryDetail[];
      };
      return entries.map(({ kind, holdId, dueAt, onDue, released, due }) => {
        expect(holdId).toBe(each?.hold.id);
        return { kind, dueAt, onDue, released, due };
      });
    };
    const made = (each: typeof parted) => ({
      kind: 'subtract',
      dueAt: each?.hold.dueAt,
      onDue: each?.hold.onDue,
    });
    expect(await of(parted)).toEqual([made(parted), { kind: 'settle', released: '2.00' }]);
    expect(await of(given)).toEqual([made(given), { kind: 'release' }]);
    await eventually(async () => ((await of(lapsed)).length === 2 ? true : undefined));
    expect(await of(lapsed)).toEqual([made(lapsed), { kind: 'release', due: true }]);
  });

  test('takes commands from the stream, and tells every outcome as a fact', async () => {
    const accountId = await openAccount(client, '10.00');
    const js = jetstream(nats);
    const take = (amount: string) => ({ id: randomUUID(), accountId, amount });
    const [granted, refused, wrong] = [take('4.00'), take('40.00'), take('0.00')];
    const foreign = { ...take('1.00'), allowedAccounts: [randomUUID()] };
    await js.publish('balance.async.subtract', JSON.stringify([granted, refused, wrong, foreign]));
    // Sent twice, as a publisher does that has not seen the first ack.
    await js.publish('balance.async.subtract', JSON.stringify(granted));
    expect(await factOf(granted.id)).toMatchObject({
      type: 'entry',
      kind: 'subtract',
      amount: '4.00',
      available: '6.00',
    });
    expect(await factOf(refused.id)).toMatchObject({
      type: 'refusal',
      accountId,
      code: 'insufficient_funds',
    });
    expect(await factOf(wrong.id)).toMatchObject({ type: 'refusal', accountId, code: 'invalid_request' });
    expect(await factOf(foreign.id)).toMatchObject({ type: 'refusal', accountId, code: 'forbidden' });
    expect(await request('balance.query.account', { accountId })).toMatchObject({
      account: { held: '4.00', version: 3 },
    });
  });

  test('tells a fault of ours from a database that is away', async () => {
    const books = await stack.books();
    const accountId = await openAccount(client, '1.00');
    await books.query('ALTER TABLE entries RENAME COLUMN amount TO sum');
    try {
      expect(await request('balance.query.entries', { accountId })).toMatchObject({
        error: { code: 'internal' },
      });
    } finally {
      await books.query('ALTER TABLE entries RENAME COLUMN sum TO amount');
      await books.end();
    }
  });

  test('answers what was asked before it was told to stop', async () => {
    const accountId = await openAccount(client, '10.00');
    const books = await stack.books();
    await books.query('BEGIN; LOCK TABLE entries IN ACCESS EXCLUSIVE MODE');
    const asked = request('balance.query.entries', { accountId });
    await eventually(async () => {
      const { rows } = await books.query(`SELECT FROM pg_locks WHERE NOT granted`);
      return rows.length > 0 ? true : undefined;
    });
    const [ledger] = stack.ledgers;
    const stopped = ledger?.stop();
    await eventually(async () =>
      ledger?.lines.some((line) => line.includes('stopping')) === true ? true : undefined,
    );
    await books.query('COMMIT');
    await books.end();
    expect(await asked).toMatchObject({ ok: true, entries: [{ seq: 1 }, { seq: 2 }] });
    await stopped;
    await ledger?.start();
  });

  test('tells every entry as a fact', async () => {
    const accountId = await openAccount(client, '10.00');
    const mine = () => facts.filter((fact) => fact.type === 'entry' && fact.accountId === accountId);
    await eventually(() => Promise.resolve(mine().length === 2 ? true : undefined));
    expect(mine()).toMatchObject([
      { seq: 1, kind: 'open', balance: '0.00' },
      { seq: 2, kind: 'add', amount: '10.00', balance: '10.00' },
    ]);
  });
});
