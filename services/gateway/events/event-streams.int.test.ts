import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import type { FastifyInstance } from 'fastify';
import { once } from 'node:events';
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net';
import { EventStream } from '../../../test/support/event-stream.ts';
import { eventually, until } from '../../../test/support/eventually.ts';
import { call } from '../../../test/support/http.ts';
import { startOwnNats } from '../../../test/support/own-nats.ts';
import { eventsStream, eventSubject } from '../../../shared/contracts/subjects.ts';
import { connectNats, type NatsLink } from '../../../shared/messaging/connect.ts';
import { ensureStreams, manageStreams } from '../../../shared/messaging/streams.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import { buildApp } from '../app.ts';
import type { Ledger } from '../ledger-when-connected.ts';
import type { EventLimits } from './limits.ts';

/* A gateway's streams on a real broker, with facts that the test publishes. */

const noLedger: Ledger = {
  send: () => Promise.reject(new Error('not asked')),
  ask: () => Promise.reject(new Error('not asked')),
  missing: () => [],
};
const accountOf = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;

let nats: Awaited<ReturnType<typeof startOwnNats>>;
let link: NatsLink;
let manager: JetStreamManager;
let url: string;
let logLines: string[];
const apps: FastifyInstance[] = [];
const sockets: Socket[] = [];

beforeEach(async () => {
  nats = await startOwnNats();
  const logger = createLogger('test', 'silent');
  link = await connectNats({ urls: [nats.url], name: 'test', logger });
  await ensureStreams(link.connection, 1, eventsStream);
  manager = await manageStreams(link.connection);
  url = await serve();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const app of apps.splice(0)) await app.close();
  await link.drain();
  await nats.stop();
});

/** A gateway with these limits, and its address. */
async function serve(
  eventLimits: Partial<EventLimits> = {},
  connecting = Promise.resolve(link),
): Promise<string> {
  logLines = [];
  const logger = createLogger('gateway', 'info', { write: (line) => logLines.push(line) });
  const metrics = createMetrics();
  const app = await buildApp({ ledger: noLedger, logger, metrics, connecting, eventLimits });
  apps.push(app);
  await app.listen({ host: '127.0.0.1', port: 0 });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

/** As a ledger would: one message with a fact for each number. */
async function publish(numbers: readonly number[], more: object = {}): Promise<void> {
  const facts = numbers.map((seq) => ({ type: 'entry', accountId: accountOf(seq % 10), seq, ...more }));
  await jetstream(link.connection).publish(eventSubject, JSON.stringify(facts));
}

const consumerNow = async () => (await manager.consumers.list(eventsStream).next())[0]?.name;
const numbersIn = ({ facts }: EventStream): number[] =>
  facts.map((fact) => ('seq' in fact ? fact.seq : Number.NaN));
const cutOff = (): number => logLines.filter((line) => line.includes('cut off')).length;
const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('facts over HTTP', () => {
  test('come to everyone as they happen, by one consumer', async () => {
    await publish([1]);
    const streams = await Promise.all([EventStream.open(url), EventStream.open(url), EventStream.open(url)]);
    for (const stream of streams) await until(() => stream.events.length === 1);
    await publish([2, 3]);
    await publish([4]);
    for (const stream of streams) {
      await until(() => stream.facts.length === 3);
      expect(stream.events.map(({ event }) => event)).toEqual(['ready', 'entry', 'entry', 'entry']);
      expect(numbersIn(stream)).toEqual([2, 3, 4]);
      expect(stream.comments).toBe(1);
    }
    expect(await manager.consumers.list(eventsStream).next()).toHaveLength(1);
    for (const stream of streams) await stream.close();
    await eventually(async () => {
      const left = await manager.consumers.list(eventsStream).next();
      return left.length === 0 ? true : undefined;
    }, 20_000);
  }, 40_000);

  test('are those of the accounts asked for', async () => {
    const stream = await EventStream.open(url, `?account=${accountOf(1)},${accountOf(3).toUpperCase()}`);
    await publish(upTo(9));
    await publish([11]);
    await until(() => stream.facts.length === 3);
    expect(numbersIn(stream)).toEqual([1, 3, 11]);
  });

  test('go on behind what was had, wherever that was, while more comes', async () => {
    for (const n of upTo(60)) await publish([3 * n - 2, 3 * n - 1, 3 * n]);
    const whole = await EventStream.open(url, '?after=oldest');
    await until(() => whole.facts.length === 180);
    const resumed = [];
    for (let index = 0; index < 180; index += 7) {
      const header = { 'last-event-id': whole.events[index]?.id ?? '' };
      resumed.push({ index, stream: await EventStream.open(url, '?after=oldest', header) });
      await publish([181 + resumed.length - 1]);
    }
    const last = 180 + resumed.length;
    for (const { index, stream } of resumed) {
      // The event before the first fact is `ready`.
      await until(() => stream.facts.length >= last - index);
      expect(numbersIn(stream)).toEqual(upTo(last).slice(index));
      expect(stream.events[0]).toEqual({ event: 'ready', id: whole.events[index]?.id, data: {} });
    }
  });

  test('come by the same consumer while all is well, though nothing comes for a while', async () => {
    const stream = await EventStream.open(url);
    await publish([1]);
    await until(() => stream.facts.length === 1);
    const consumer = await consumerNow();
    // Longer than two of the broker's signs of life take.
    const beganMs = performance.now();
    await until(() => performance.now() - beganMs > 5_000);
    expect(await consumerNow()).toBe(consumer);
    await publish([2]);
    await until(() => stream.facts.length === 2);
    expect(await consumerNow()).toBe(consumer);
  });

  test('go on when the broker takes the consumer away', async () => {
    const stream = await EventStream.open(url);
    await publish([1]);
    await until(() => stream.facts.length === 1);
    const [consumer] = await manager.consumers.list(eventsStream).next();
    await manager.consumers.delete(eventsStream, consumer?.name ?? '');
    await publish([2]);
    await eventually(async () => (stream.facts.length === 2 ? true : undefined), 20_000);
    expect(stream.named('gap')).toEqual([]);
  }, 30_000);

  test('that are no longer kept leave a gap, and so does a stream that was made anew', async () => {
    for (const n of upTo(9)) await publish([n]);
    const whole = await EventStream.open(url, '?after=oldest');
    await until(() => whole.facts.length === 9);
    await manager.streams.update(eventsStream, { max_msgs: 3 });
    const resumed = await EventStream.open(url, `?after=${whole.events[2]?.id}`);
    await until(() => resumed.facts.length === 3);
    expect(resumed.events.map(({ event }) => event)).toEqual(['gap', 'ready', 'entry', 'entry', 'entry']);
    expect(resumed.events[0]?.data).toEqual({ detail: expect.stringContaining('no longer kept') });
    expect(numbersIn(resumed)).toEqual([7, 8, 9]);
    const atTheEdge = await EventStream.open(url, `?after=${whole.events[6]?.id}`);
    await until(() => atTheEdge.facts.length === 3);
    expect(atTheEdge.named('gap')).toEqual([]);

    await manager.streams.delete(eventsStream);
    await ensureStreams(link.connection, 1, eventsStream);
    await publish([100]);
    for (const stream of [whole, resumed]) {
      await eventually(async () => stream.facts.at(-1), 20_000);
      await eventually(async () => (numbersIn(stream).at(-1) === 100 ? true : undefined), 20_000);
      const [gap, fact] = stream.events.slice(-2);
      expect([gap?.event, fact?.event]).toEqual(['gap', 'entry']);
    }
    // The new stream has got as far as the old one.
    for (const n of upTo(20)) await publish([n]);
    const later = await EventStream.open(url, `?after=${whole.events[9]?.id}`);
    await until(() => later.facts.length > 0);
    expect(later.events.slice(0, 2).map(({ event }) => event)).toEqual(['gap', 'ready']);
    expect(later.events[0]?.data).toEqual({ detail: expect.stringContaining('has lost facts') });
  }, 60_000);

  test('are left out when they are none, and the others come', async () => {
    const stream = await EventStream.open(url);
    for (const text of ['x', '{}', '[1]']) await jetstream(link.connection).publish(eventSubject, text);
    await publish([1]);
    await until(() => stream.facts.length === 1);
    expect(logLines.filter((line) => line.includes('holds none'))).toHaveLength(3);
  });
});

describe('a stream', () => {
  test('says where it stands while nothing happens to its accounts', async () => {
    url = await serve({ heartbeatMs: 20 });
    const stream = await EventStream.open(url, `?account=${accountOf(9)}`);
    await until(() => stream.events.length === 1);
    const [ready] = stream.events;
    await publish([1, 2]);
    await until(() => stream.lastId !== ready?.id);
    expect(stream.events).toEqual([ready]);
    const resumed = await EventStream.open(url, `?after=${stream.lastId}`);
    await publish([3]);
    await until(() => resumed.facts.length === 1);
    expect(numbersIn(resumed)).toEqual([3]);
  });

  test('past as many as may be is refused, until one has gone', async () => {
    url = await serve({ maxStreams: 2 });
    const first = await EventStream.open(url);
    await EventStream.open(url);
    const refused = await call(url, '/api/events');
    expect(refused).toMatchObject({ status: 503, body: { code: 'overloaded' } });
    expect(refused.headers.get('retry-after')).toBe('1');
    await first.close();
    await eventually(async () => EventStream.open(url).catch(() => undefined));
  });

  test('is cut off when its caller does not read, live or catching up, and the others are not', async () => {
    url = await serve({ maxUnsentBytes: 64 * 1024, maxReadingMs: 200 });
    const reader = await EventStream.open(url);
    const live = await openUnread('/api/events');
    const filler = { detail: 'x'.repeat(500_000) };
    let published = 0;
    await eventually(async () => {
      published += 1;
      await publish([published], filler);
      return cutOff() === 1 ? true : undefined;
    }, 20_000);
    const behind = await openUnread('/api/events?after=oldest');
    await eventually(async () => (cutOff() === 2 ? true : undefined), 20_000);
    for (const socket of [live, behind]) {
      socket.resume();
      await once(socket, 'close');
    }
    await eventually(async () => (reader.facts.length === published ? true : undefined), 20_000);
    expect(numbersIn(reader)).toEqual(upTo(published));
  }, 60_000);

  test('is not opened while the broker can’t be reached', async () => {
    const unavailable = { status: 503, body: { code: 'unavailable' } };
    const notYet = await serve({}, new Promise(() => undefined));
    expect(await call(notYet, '/api/events')).toMatchObject(unavailable);
    await manager.streams.delete(eventsStream);
    url = await serve({ openMs: 50 });
    expect(await call(url, '/api/events')).toMatchObject(unavailable);
    await ensureStreams(link.connection, 1, eventsStream);
    await eventually(async () => EventStream.open(url).catch(() => undefined));
  });

  test('ends when its gateway stops, which does not wait for it', async () => {
    const stream = await EventStream.open(url);
    await openUnread('/api/events?after=oldest');
    const filler = { detail: 'x'.repeat(500_000) };
    for (const n of upTo(20)) await publish([n], filler);
    await until(() => stream.facts.length === 20);
    const beganMs = performance.now();
    await apps[0]?.close();
    expect(await stream.ended).toBe('ended');
    expect(performance.now() - beganMs).toBeLessThan(2_000);
    await until(() => logLines.some((line) => line.includes('"route":"/api/events","status":200')));
  });

  test('is for GET alone', async () => {
    const head = await fetch(`${url}/api/events`, { method: 'HEAD' });
    expect([head.status, head.headers.get('allow')]).toEqual([405, 'GET, OPTIONS']);
  });
});

/** A caller that asks, and reads nothing of the answer. */
async function openUnread(path: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  sockets.push(socket);
  await once(socket, 'connect');
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
  socket.on('error', () => undefined);
  return socket;
}
