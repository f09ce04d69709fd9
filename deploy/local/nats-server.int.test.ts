import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { natsUserNames } from '../../shared/contracts/nats-users.ts';
import { whilePortTaken } from '../../test/support/taken-port.ts';
import { startChild } from './child-process.ts';
import { freePort } from './free-port.ts';
import { provideNatsServer } from './nats-binary/find-nats-server.ts';
import { startNatsServer, type NatsServer, type NatsServerOptions } from './nats-server.ts';
import { natsUserFile, natsUsersFolder, readNatsUser } from './nats-users.ts';

const stopMs = 10_000;

let binary: string;
let dataDir: string;
let running: NatsServer[];

beforeAll(async () => {
  const found = await provideNatsServer(join(tmpdir(), 'holdfast-test-cache'), process.env);
  binary = found.path;
}, 120_000);

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'holdfast nats '));
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((server) => server.process.stop(stopMs)));
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
  await first.process.stop(stopMs);
  await expect(first.process.exited).resolves.toMatchObject({ signal: null });
  await expect(countMessages(await start())).resolves.toBe(1);
});

test('it says so when its port is taken', async () => {
  await whilePortTaken((port) =>
    expect(start({ port })).rejects.toThrow('its port is taken by another program'),
  );
});

test('nobody comes in without the password of a user', async () => {
  const { url, passwords } = await start({ open: false });
  await expect(connect({ servers: url })).rejects.toThrow('Authorization Violation');
  const user = 'gateway';
  await expect(connect({ servers: url, user })).rejects.toThrow('Authorization Violation');
  await expect(connect({ servers: url, user, pass: 'hunter2' })).rejects.toThrow('Authorization Violation');
  await expect(connect({ servers: url, user: 'anyone', pass: '' })).rejects.toThrow(
    'Authorization Violation',
  );
  await (await connect({ servers: url, user, pass: passwords.gateway })).close();
});

test('users keep their passwords through restarts, in files for their owner alone', async () => {
  const first = await start();
  await first.process.stop(stopMs);
  const second = await start();
  expect(second.passwords).toEqual(first.passwords);
  expect(new Set(Object.values(first.passwords)).size).toBe(natsUserNames.length);
  for (const user of natsUserNames) {
    const { mode } = await stat(natsUserFile(dataDir, user));
    expect(mode & 0o777).toBe(0o600);
    await expect(readNatsUser(dataDir, user)).resolves.toEqual({
      NATS_URL: second.url,
      NATS_USER: user,
      NATS_PASSWORD: second.passwords[user],
    });
  }
  expect((await stat(natsUsersFolder(dataDir))).mode & 0o777).toBe(0o700);
  expect((await stat(join(dataDir, 'nats/nats-server.conf'))).mode & 0o777).toBe(0o600);
});

test('a user whose file is gone gets a new password, and the others keep theirs', async () => {
  const first = await start();
  await first.process.stop(stopMs);
  await rm(natsUserFile(dataDir, 'shop-add'));
  const { passwords } = await start();
  expect(passwords['shop-add']).not.toBe(first.passwords['shop-add']);
  expect({ ...passwords, 'shop-add': '' }).toEqual({ ...first.passwords, 'shop-add': '' });
});

test('a data folder from before there were users keeps its messages, and gets users', async () => {
  // As it was written then.
  const folder = join(dataDir, 'nats');
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const config = `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(folder)} }\n`;
  await writeFile(join(folder, 'nats-server.conf'), config);
  const before = await startChild({
    name: 'nats-server',
    command: binary,
    args: ['--config', join(folder, 'nats-server.conf')],
  });
  try {
    await publish({ url: `nats://127.0.0.1:${port}` }, 'kept');
  } finally {
    await before.stop(stopMs);
  }
  const server = await start();
  expect(Object.keys(server.passwords)).toEqual([...natsUserNames]);
  await expect(countMessages(server)).resolves.toBe(1);
});

async function start(options: Partial<NatsServerOptions> = {}): Promise<NatsServer> {
  const server = await startNatsServer({ dataDir, binary, open: true, ...options });
  running.push(server);
  return server;
}

async function publish(server: Pick<NatsServer, 'url'>, text: string): Promise<void> {
  const connection = await connect({ servers: server.url, waitOnFirstConnect: true });
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
