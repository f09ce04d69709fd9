import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { freePort } from '../deploy/local/free-port.ts';
import type { Fact } from '../shared/contracts/events.ts';
import { eventsStream } from '../shared/contracts/subjects.ts';
import type { LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import type { NatsLink } from '../shared/messaging/connect.ts';
import { manageStreams } from '../shared/messaging/streams.ts';
import { openAccount } from './support/accounts.ts';
import { EventStream } from './support/event-stream.ts';
import { eventually, until } from './support/eventually.ts';
import { call, newKey, spread } from './support/http.ts';
import { untilOutboxIsEmpty } from './support/outbox.ts';
import { Stack } from './support/stack.ts';
import { testSecret, tokenWith } from './support/tokens.ts';

/* Facts from the books to a caller of GET /api/events, on real services, through what may happen to each of them. */

const limitMs = 90_000;

let stack: Stack;
let client: LedgerClient;
let link: NatsLink;
const streams: EventStream[] = [];
beforeAll(async () => {
  // Each service as its own user of NATS: the gateway may do no more than it needs.
  stack = await Stack.start({ settlers: 0, ledgers: 2 });
  ({ client, link } = await stack.ledgerClient());
}, limitMs);
afterEach(async () => {
  for (const stream of streams.splice(0)) await stream.close();
});
afterAll(() => stack.stop(), limitMs);

async function open(url: string, query?: string, headers?: Record<string, string>): Promise<EventStream> {
  const stream = await EventStream.open(url, query, headers);
  streams.push(stream);
  await until(() => stream.lastId !== '');
  return stream;
}

const behind = ({ lastId }: EventStream) => ({ 'last-event-id': lastId });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const add = (url: string, id: string, headers = {}) =>
  call(url, '/api/add', { id, amount: '1.00' }, { 'idempotency-key': newKey(), ...headers });

/** All that the stream has, as it has it. */
async function factsInStream(): Promise<Fact[]> {
  const { streams: stored } = await manageStreams(link.connection);
  const { state } = await stored.info(eventsStream);
  const facts: Fact[] = [];
  for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq += 1) {
    facts.push(...((await stored.getMessage(eventsStream, { seq }))?.json<Fact[]>() ?? []));
  }
  return facts;
}

/** Accounts of which nothing is left to be told. */
async function newAccounts(count: number): Promise<string[]> {
  const ids = await Promise.all(Array.from({ length: count }, () => openAccount(client)));
  await untilAllIsTold();
  return ids;
}

async function untilAllIsTold(): Promise<void> {
  const books = await stack.books();
  await untilOutboxIsEmpty(books);
  await books.end();
}

/** `account seq` of every entry in the books. */
async function entriesInBooks(): Promise<string[]> {
  const books = await stack.books();
  const { rows } = await books.query<{ place: string }>(
    "SELECT account_id || ' ' || seq AS place FROM entries",
  );
  await books.end();
  return rows.map(({ place }) => place);
}

test('an entry and a refusal come as they are on NATS', async () => {
  const [id = ''] = await newAccounts(1);
  const stream = await open(stack.url(), `?account=${id}`);
  expect(Object.fromEntries(stream.headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  expect((await add(stack.url(), id)).status).toBe(200);
  const tooMuch = { id: randomUUID(), accountId: id, amount: '500.00' };
  link.connection.publish('balance.async.subtract', JSON.stringify(tooMuch));
  await until(() => stream.facts.length === 2);
  expect(stream.events.map(({ event }) => event)).toEqual(['ready', 'entry', 'refusal']);
  expect(stream.facts).toMatchObject([
    { type: 'entry', accountId: id, seq: 2, kind: 'add', balance: '1.00' },
    { type: 'refusal', accountId: id, commandId: tooMuch.id, code: 'insufficient_funds' },
  ]);
  const told = (await factsInStream()).filter(({ accountId }) => accountId === id);
  expect(stream.facts).toEqual(told.slice(1));
});

describe('a token', () => {
  let url: string;
  beforeAll(async () => {
    ({ url } = await stack.add('gateway', { AUTH: 'jwt', APP_SECRET_KEY: testSecret }));
  }, limitMs);

  test('with balance:read is needed', async () => {
    expect(await call(url, '/api/events')).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    const without = bearer(await tokenWith({ scope: undefined }));
    const refused = await call(url, '/api/events', undefined, without);
    expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });

  test('narrowed to accounts is shown these, and refused any other', async () => {
    const [mine = '', other = '', foreign = ''] = await newAccounts(3);
    const token = await tokenWith({ scope: 'balance:read', accounts: [mine, other] });
    const all = await open(url, '', bearer(token));
    const one = await open(url, `?account=${mine}`, bearer(token));
    const past = await open(url, '?after=oldest', bearer(token));
    for (const id of [foreign, other, mine]) await add(stack.url(), id);
    await until(() => all.facts.length === 2 && one.facts.length === 1 && past.facts.length === 4);
    expect(all.entries.toSorted()).toEqual([`${mine} 2`, `${other} 2`].toSorted());
    expect(one.entries).toEqual([`${mine} 2`]);
    expect(past.entries.toSorted()).toEqual(
      [`${mine} 1`, `${mine} 2`, `${other} 1`, `${other} 2`].toSorted(),
    );
    const refused = await call(url, `/api/events?account=${mine},${foreign}`, undefined, bearer(token));
    expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(refused.headers.get('www-authenticate')).toContain('the token is not for this account');
  });

  test('that ends takes its stream along, and a fresh one goes on', async () => {
    const [id = ''] = await newAccounts(1);
    // Taken for five seconds more, since clocks differ.
    const short = await tokenWith({ exp: Math.floor(Date.now() / 1_000) - 3 });
    const stream = await open(url, `?account=${id}`, bearer(short));
    await add(stack.url(), id);
    expect(await stream.ended).toBe('ended');
    expect(stream.entries).toEqual([`${id} 2`]);
    await add(stack.url(), id);
    const fresh = bearer(await tokenWith({ scope: 'balance:read' }));
    const resumed = await open(url, `?account=${id}`, { ...fresh, ...behind(stream) });
    await until(() => resumed.facts.length === 1);
    expect(resumed.entries).toEqual([`${id} 3`]);
  });
});

test('bad input is named', async () => {
  for (const [query, headers, field] of [
    ['?after=1234', {}, 'after'],
    ['', { 'last-event-id': '12 34' }, 'Last-Event-ID'],
    ['?account=1', {}, 'account'],
    ['?accounts=1', {}, 'accounts'],
  ] as const) {
    const refused = await call(stack.url(), `/api/events${query}`, undefined, headers);
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request', fields: [{ field }] } });
  }
});

test(
  'a gateway that stops ends its streams at once, and started again goes on behind what each has had',
  async () => {
    const gateway = await stack.add('gateway');
    const ids = await newAccounts(3);
    const query = `?account=${ids.join(',')}`;
    const stream = await open(gateway.url, query);
    await spread(30, 10, (index) => add(gateway.url, ids[index % 3] ?? ''));
    await until(() => stream.facts.length > 5);
    const beganMs = performance.now();
    await gateway.stop();
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    expect(await stream.ended).toBe('ended');
    expect(gateway.lines.at(-1)).toContain('"stopped"');
    await spread(30, 10, (index) => add(stack.url(), ids[index % 3] ?? ''));
    await gateway.start();
    const resumed = await open(gateway.url, query, behind(stream));
    const given = (): string[] => [...stream.entries, ...resumed.entries];
    await until(() => given().length >= 60);
    await untilAllIsTold();
    const told = (await factsInStream()).flatMap((fact) =>
      fact.type === 'entry' && fact.seq > 1 && ids.includes(fact.accountId)
        ? `${fact.accountId} ${fact.seq}`
        : [],
    );
    await until(() => given().length >= told.length);
    expect(given()).toEqual(told);
    expect([...stream.named('gap'), ...resumed.named('gap')]).toEqual([]);
  },
  limitMs,
);

test(
  'a broker killed under load costs no stream a fact, and gives it none twice',
  async () => {
    const ids = await newAccounts(4);
    const before = (await factsInStream()).length;
    const live = await open(stack.url());
    const narrow = await open(stack.url(), `?account=${ids[0]}`);
    const resuming: Promise<EventStream>[] = [];
    const total = 1_200;
    const statuses = await spread(total, 24, async (index) => {
      if (index === 300 || index === 800) await stack.restartNats({ kill: true });
      // Callers resume all the time, also while the broker is away.
      if (index % 100 === 50)
        resuming.push(eventually(() => open(stack.url(), '', behind(live)).catch(() => undefined), 30_000));
      return (await add(stack.url(), ids[index % 4] ?? '')).status;
    });
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(total / 2);
    await untilAllIsTold();
    const told = (await factsInStream()).slice(before);
    for (const stream of [live, ...(await Promise.all(resuming))]) {
      await eventually(async () => (lastOf(stream.facts) === lastOf(told) ? true : undefined), 30_000);
      // Some began later: all that was told from then on, as it was told.
      expect(stream.facts).toEqual(told.slice(told.length - stream.facts.length));
      expect(stream.named('gap')).toEqual([]);
    }
    expect(live.facts).toEqual(told);
    expect(narrow.facts).toEqual(told.filter(({ accountId }) => accountId === ids[0]));
    const inBooks = (await entriesInBooks()).filter((place) => ids.some((id) => place.startsWith(id)));
    expect(new Set(live.entries)).toEqual(new Set(inBooks.filter((place) => !place.endsWith(' 1'))));
  },
  limitMs,
);

function lastOf(facts: readonly Fact[]): string {
  return JSON.stringify(facts.at(-1));
}

test(
  'a broker that has lost its data leaves a gap, for those who listen and those who come back',
  async () => {
    const [id = ''] = await newAccounts(1);
    const live = await open(stack.url(), `?account=${id}`);
    await add(stack.url(), id);
    await until(() => live.facts.length === 1);
    const { lastId } = live;
    await stack.restartNats({ loseData: true });
    await eventually(async () => ((await add(stack.url(), id)).status === 200 ? true : undefined), 30_000);
    await eventually(async () => (live.named('gap').length === 1 ? true : undefined), 30_000);
    await eventually(async () => (live.facts.length >= 2 ? true : undefined), 30_000);
    expect(live.events.map(({ event }) => event).slice(0, 4)).toEqual(['ready', 'entry', 'gap', 'entry']);
    const resumed = await open(stack.url(), `?account=${id}`, { 'last-event-id': lastId });
    await until(() => resumed.facts.length >= 1);
    expect(resumed.events[0]).toMatchObject({
      event: 'gap',
      data: { detail: expect.stringMatching(/lost/) },
    });
    expect(resumed.entries).toEqual(live.entries.slice(1));
  },
  limitMs,
);

test('how many are open is measured, and how long they took to open', async () => {
  const port = await freePort();
  const { url } = await stack.add('gateway', { GATEWAY_OPS_PORT: String(port) });
  const metrics = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(await metrics()).toMatch(/^holdfast_event_streams 0$/m);
  const first = await open(url);
  await open(url);
  expect(await metrics()).toMatch(/^holdfast_event_streams 2$/m);
  const opened =
    /^http_server_request_duration_seconds_count\{[^}]*"GET"[^}]*http_route="\/api\/events"[^}]*"200"\} 2$/m;
  expect(await metrics()).toMatch(opened);
  await first.close();
  await eventually(async () => (/^holdfast_event_streams 1$/m.test(await metrics()) ? true : undefined));
  expect(await metrics()).toMatch(opened);
});
