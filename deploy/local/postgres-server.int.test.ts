import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { whilePortTaken } from '../../test/support/taken-port.ts';
import { startPostgres, type PostgresOptions, type PostgresServer } from './postgres-server.ts';
import { runCommand } from './run-command.ts';
import { askDatabase } from './with-client.ts';

const stopMs = 10_000;

/** A data folder with a cluster to copy: making one takes longer than most of what is tried here. */
let prepared: string;
let folder: string;
let dataDir: string;
let running: PostgresServer[];

beforeAll(async () => {
  prepared = await mkdtemp(join(tmpdir(), 'holdfast prepared '));
  const server = await startPostgres({ dataDir: prepared });
  await server.process.stop(stopMs);
}, 60_000);

afterAll(async () => {
  await rm(prepared, { recursive: true });
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast postgres '));
  dataDir = join(folder, 'data');
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((server) => server.process.stop(stopMs)));
  await rm(folder, { recursive: true });
});

test('it keeps its data, password and port through a restart, and what it answered is on disk', async () => {
  const first = await start();
  await first.createDatabase('holdfast');
  await first.createDatabase('holdfast');
  await query(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
  await first.process.stop(stopMs);
  await expect(first.process.exited).resolves.toEqual({ code: 0, signal: null });

  const second = await start();
  expect(second).toMatchObject({ port: first.port, user: first.user, password: first.password });
  await expect(query(second, 'SELECT answer FROM kept')).resolves.toEqual([{ answer: 42 }]);
  const safe = ['fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums'];
  const settings = await query(
    second,
    `SELECT setting FROM pg_settings WHERE name = ANY('{${safe.join()}}')`,
  );
  expect(settings).toEqual(safe.map(() => ({ setting: 'on' })));
  await expect(query(second, 'SHOW server_encoding')).resolves.toEqual([{ server_encoding: 'UTF8' }]);
});

test('it recovers by itself from kill -9', async () => {
  await usePrepared();
  const first = await start();
  await first.createDatabase('holdfast');
  await query(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
  first.process.kill();
  await first.process.exited;
  const second = await start();
  await expect(query(second, 'SELECT answer FROM kept')).resolves.toEqual([{ answer: 42 }]);
});

test('only the password opens it, which only its owner can read', async () => {
  await usePrepared();
  const server = await start();
  await expect(query({ ...server, password: 'guess' }, 'SELECT 1', 'postgres')).rejects.toThrow('password');
  const { mode } = await stat(join(dataDir, 'postgres', 'password'));
  expect(mode & 0o777).toBe(0o600);
});

test("a password that is not the cluster's is told of", async () => {
  await usePrepared();
  await writeFile(join(dataDir, 'postgres', 'password'), 'guess\n');
  await expect(start()).rejects.toThrow('refuses the password in');
});

test('a start that was killed in the middle of making the cluster is no hindrance', async () => {
  const half = join(dataDir, 'postgres', 'cluster.new');
  await mkdir(half, { recursive: true });
  await writeFile(join(half, 'PG_VERSION'), '18');
  const server = await start();
  await expect(query(server, 'SELECT 42 AS answer', 'postgres')).resolves.toEqual([{ answer: 42 }]);
});

describe('it says what is wrong', () => {
  test('when its port is taken', async () => {
    await usePrepared();
    await whilePortTaken((port) =>
      expect(start({ port })).rejects.toThrow('its port is taken by another program'),
    );
  });

  test('when the data is of another major version, or its password is gone', async () => {
    await usePrepared();
    const versionFile = join(dataDir, 'postgres', 'cluster', 'PG_VERSION');
    const version = (await readFile(versionFile, 'utf8')).trim();
    await writeFile(versionFile, '9.6\n');
    await expect(start()).rejects.toThrow(`was made by PostgreSQL 9.6, and this is ${version}`);

    await rm(join(dataDir, 'postgres', 'password'));
    await expect(start()).rejects.toThrow('password is missing');
  });

  test('when the data folder can not be made', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(start({ dataDir: join(folder, 'file', 'data') })).rejects.toThrow(
      'PostgreSQL did not start',
    );
  });
});

const asRootOnly = process.geteuid?.() === 0 ? test : test.skip;
asRootOnly(
  'as root without user namespaces it runs as an unprivileged user, outside a closed home (needs root)',
  withoutNamespaces,
);

async function withoutNamespaces(): Promise<void> {
  // The temporary folder itself has mode 0700, like a home.
  const outsideDir = await mkdtemp(join(tmpdir(), 'holdfast outside '));
  const asRoot = { namespaces: false, outsideDir: join(outsideDir, 'lib') };
  try {
    await chmod(outsideDir, 0o755);
    const first = await start({ asRoot });
    await first.createDatabase('holdfast');
    await query(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.process.stop(stopMs);
    const second = await start({ asRoot });
    await expect(query(second, 'SELECT answer FROM kept')).resolves.toEqual([{ answer: 42 }]);
    await second.process.stop(stopMs);
  } finally {
    await rm(outsideDir, { recursive: true });
  }
}

async function usePrepared(): Promise<void> {
  await runCommand('cp', ['-a', prepared, dataDir], { timeoutMs: 30_000 });
}

async function start(options: Partial<PostgresOptions> = {}): Promise<PostgresServer> {
  const server = await startPostgres({ dataDir, ...options });
  running.push(server);
  return server;
}

type Login = Pick<PostgresServer, 'host' | 'port' | 'user' | 'password'>;

async function query(login: Login, sql: string, database = 'holdfast'): Promise<unknown[]> {
  const { host, port, user, password } = login;
  return askDatabase({ host, port, user, password, database }, sql);
}
