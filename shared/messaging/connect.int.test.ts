import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import dns from 'node:dns';
import { until } from '../../test/support/eventually.ts';
import { TcpLine } from '../../test/support/tcp-line.ts';
import { createLogger } from '../telemetry/logger.ts';
import { connectNats, type NatsLink } from './connect.ts';

const natsUrl = process.env['TEST_NATS_URL'] ?? 'nats://127.0.0.1:4222';

describe('the connection to NATS', () => {
  let line: TcpLine;
  let link: NatsLink | undefined;
  let lines: string[];
  const logger = createLogger('test', 'info', { write: (text) => lines.push(text) });
  const connectThroughLine = async (host = '127.0.0.1') => {
    link = await connectNats({ urls: [`nats://${host}:${line.port}`], name: 'test', logger });
    return link;
  };

  beforeEach(async () => {
    lines = [];
    line = new TcpLine(natsUrl);
    await line.open();
  });
  afterEach(async () => {
    await link?.drain();
    link = undefined;
    await line.cut();
  });

  test('comes back by itself after a cut, and says so', async () => {
    const { isConnected, connection } = await connectThroughLine();
    expect(isConnected()).toBe(true);
    await line.cut();
    await until(() => !isConnected());
    await line.open();
    await until(isConnected);
    await connection.flush();
    expect(lines.join('')).toContain("can't reach NATS at 127.0.0.1:");
    expect(lines.join('')).toContain('connected to NATS again');
  });

  test('comes back as fast after the clock was put back', async () => {
    const { isConnected } = await connectThroughLine();
    const cutAndOpen = async () => {
      await line.cut();
      await until(() => !isConnected());
      await line.open();
      await until(isConnected);
    };
    const trueNow = Date.now;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => trueNow() + 600_000);
    try {
      await cutAndOpen();
    } finally {
      clock.mockRestore();
    }
    await cutAndOpen();
    expect(isConnected()).toBe(true);
  });

  test('keeps the line that a slow name server held up until the last one counted as dead', async () => {
    const found: (() => void)[] = [];
    const trueLookup = dns.lookup;
    const lookup = jest.spyOn(dns, 'lookup').mockImplementation((...asked: unknown[]) => {
      if (asked[0] !== 'nats.example') return void Reflect.apply(trueLookup, dns, asked);
      const callback = asked.at(-1) as (error: null, addresses: dns.LookupAddress[]) => void;
      const answer = () => callback(null, [{ address: '127.0.0.1', family: 4 }]);
      if (link === undefined) answer();
      else found.push(answer);
    });
    try {
      const { isConnected, connection } = await connectThroughLine('nats.example');
      const stale = (async () => {
        for await (const { type } of connection.status()) if (type === 'staleConnection') return;
      })();
      await line.cut();
      await line.open();
      await stale;
      const staleAtMs = performance.now();
      found.forEach((answer) => answer());
      await until(isConnected);
      await until(() => performance.now() > staleAtMs + 500);
      await expect(connection.flush()).resolves.toBeUndefined();
      expect(isConnected()).toBe(true);
    } finally {
      lookup.mockRestore();
    }
  });

  test('notices a line that went silent, under load too', async () => {
    const { isConnected, connection } = await connectThroughLine();
    line.silent = true;
    // More than the socket's buffers hold, so that nothing can be written any more.
    const message = new Uint8Array(512 * 1024);
    for (let sent = 0; sent < 64; sent++) connection.publish('test.silent', message);
    await until(() => !isConnected());
    line.silent = false;
    await until(isConnected);
    await expect(connection.flush()).resolves.toBeUndefined();
  });

  test('waits for the first connection, and says plainly for what', async () => {
    await line.cut();
    const connecting = connectThroughLine();
    await until(() => lines.length > 0);
    expect(lines[0]).toContain(`can't reach NATS at 127.0.0.1:${line.port} (connection refused)`);
    await line.open();
    expect((await connecting).isConnected()).toBe(true);
  });

  test('stops waiting when the service stops', async () => {
    const stopping = new AbortController();
    const connecting = connectNats({
      urls: ['nats://127.0.0.1:1'],
      name: 'test',
      logger,
      stopping: stopping.signal,
    });
    stopping.abort();
    await expect(connecting).rejects.toThrow(/abort/i);
  });

  test('drains: what was published arrives, and nothing after it', async () => {
    const { connection, drain, isConnected } = await connectThroughLine();
    const received: string[] = [];
    connection.subscribe('test.drain', { callback: (_, message) => void received.push(message.string()) });
    connection.publish('test.drain', 'last words');
    await drain();
    expect(received).toEqual(['last words']);
    expect(isConnected()).toBe(false);
    expect(connection.isClosed()).toBe(true);
  });
});
