import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { natsCacheDirs } from './nats-binary/cache.ts';
import { findNatsServer } from './nats-binary/find-nats-server.ts';
import { startNatsServer, type NatsServer, type NatsServerOptions } from './nats-server.ts';

const STOP_MS = 10_000;

let binary: string;
let dataDir: string;
let running: NatsServer[];

beforeAll(async () => {
  const cacheDirs = natsCacheDirs(join(tmpdir(), 'holdfast-test-cache'), process.env);
  const found = await findNatsServer({
    cacheDirs,
    report: () => undefined,
    searchPath: process.env['PATH'] ?? '',
  });
  binary = found.path;
}, 120_000);

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'holdfast nats '));
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((server) => server.process.stop(STOP_MS)));
  await rm(dataDir, { recursive: true });
});

test('acknowledged messages and the port are kept through kill -9', async () => {
  const first = await start();
  await publish(first, 'kept');
  first.process.kill();
  await first.process.exited;

  const second = await start();
  expect(second.url).toBe(first.url);
  await expect(countMessages(second)).resolves.toBe(1);
});

test('it stops when asked, and starts again', async () => {
  const first = await start();
  await publish(first, 'kept');
  await first.process.stop(STOP_MS);
  await expect(first.process.exited).resolves.toMatchObject({ signal: null });
  await expect(countMessages(await start())).resolves.toBe(1);
});

test('it says so when its port is taken', async () => {
  const other = createServer();
  const port = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => {
      const address = other.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  try {
    await expect(start({ port })).rejects.toThrow('its port is taken by another program');
  } finally {
    other.close();
  }
});

async function start(options: Partial<NatsServerOptions> = {}): Promise<NatsServer> {
  const server = await startNatsServer({ dataDir, binary, ...options });
  running.push(server);
  return server;
}

async function publish(server: NatsServer, text: string): Promise<void> {
  const connection = await connect({ servers: server.url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: 'TRIED', subjects: ['tried'] });
  await jetstream(connection).publish('tried', text);
  await connection.close();
}

async function countMessages(server: NatsServer): Promise<number> {
  const connection = await connect({ servers: server.url });
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info('TRIED');
  await connection.close();
  return state.messages;
}
