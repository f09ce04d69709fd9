import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { chown, copyFile, chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild, type ChildHandle } from '../deploy/local/child-process.ts';
import { startPostgres, type PostgresServer } from '../deploy/local/postgres-server.ts';
import { askDatabase } from '../deploy/local/with-client.ts';
import { makeAuthority, type Authority } from './support/certificates.ts';
import { eventually } from './support/eventually.ts';

/* A real PostgreSQL, first in the clear, then with TLS: `npm run migrate`, and whoever else reads DB_SSL, has to reach it. */

const root = join(import.meta.dirname, '..');
const limitMs = 60_000;

let folder: string;
let server: PostgresServer;
let ours: Authority;
let theirs: Authority;
const children: ChildHandle[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast database tls '));
  await chmod(folder, 0o755);
  server = await startPostgres({ dataDir: join(folder, 'data') });
  await server.createDatabase('books');
  ours = await makeAuthority(folder, 'ours');
  theirs = await makeAuthority(folder, 'theirs');
}, 2 * limitMs);
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop(10_000)));
});
afterAll(async () => {
  await server.process.stop(10_000);
  await rm(folder, { recursive: true });
});

async function query<Row extends object>(text: string): Promise<Row[]> {
  const { host, port, user, password } = server;
  return askDatabase<Row>({ host, port, user, password, database: 'books' }, text);
}

/** From now on Postgres shows a certificate for that name. */
async function switchTlsOn(name: string): Promise<void> {
  const { certFile, keyFile } = await ours.issue(name);
  const [place] = await query<{ setting: string }>(
    "SELECT setting FROM pg_settings WHERE name = 'data_directory'",
  );
  const cluster = await clusterFolder(place?.setting ?? '');
  const owner = await stat(cluster);
  for (const [file, to] of [
    [certFile, 'server.crt'],
    [keyFile, 'server.key'],
  ] as const) {
    await copyFile(file, join(cluster, to));
    await chmod(join(cluster, to), 0o600);
    // As root we run it as somebody else.
    await chown(join(cluster, to), owner.uid, owner.gid);
  }
  await query('ALTER SYSTEM SET ssl = on');
  await query('SELECT pg_reload_conf()');
  await eventually(async () =>
    (await query<{ ssl: string }>('SHOW ssl'))[0]?.ssl === 'on' ? true : undefined,
  );
}

/** As we see it: the server may have another view of the file system. */
async function clusterFolder(told: string): Promise<string> {
  const usual = join(folder, 'data/postgres/cluster');
  const isThere = await stat(join(usual, 'PG_VERSION')).catch(() => undefined);
  return isThere === undefined ? told : usual;
}

/** Runs a script of the build with the database of the server and these settings, and answers how it went. */
async function run(script: string, settings: Readonly<Record<string, string>>): Promise<string> {
  const lines: string[] = [];
  const child = await startChild({
    name: script,
    command: process.execPath,
    args: [join(root, 'dist', script)],
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      DB_HOST: server.host,
      DB_PORT: String(server.port),
      DB_USER: server.user,
      DB_PASSWORD: server.password,
      DB_NAME: 'books',
      ...settings,
    },
    onLine: (line) => lines.push(line),
  });
  children.push(child);
  const told = /up to date|was migrated|books are in order|trying again|could not|audit:/;
  const line = await eventually(async () => lines.find((each) => told.test(each)), limitMs);
  await child.stop(10_000);
  expect(lines.join('\n')).not.toContain(server.password);
  return line;
}

const migrate = (settings: Readonly<Record<string, string>>) => run('services/ledger/migrate.js', settings);
const migrated = /up to date|was migrated/;

describe('a PostgreSQL', () => {
  test(
    'in the clear is reached with DB_SSL=disable alone',
    async () => {
      expect(await migrate({})).toMatch(migrated);
      expect(await migrate({ DB_SSL: 'disable' })).toMatch(migrated);
      for (const mode of ['require', 'verify-full']) {
        expect(await migrate({ DB_SSL: mode })).toMatch(/does not speak TLS .* set DB_SSL=disable/);
      }
    },
    2 * limitMs,
  );

  test(
    `with TLS is trusted by its certificate's name and issuer, as DB_SSL and DB_SSL_CA say`,
    async () => {
      await switchTlsOn('IP:127.0.0.1');
      expect(await migrate({ DB_SSL: 'require' })).toMatch(migrated);
      const verified = { DB_SSL: 'verify-full', DB_SSL_CA: ours.caFile };
      expect(await migrate(verified)).toMatch(migrated);
      expect(await run('deploy/audit/main.js', verified)).toContain('books are in order');
      for (const settings of [{ DB_SSL_CA: theirs.caFile }, {}]) {
        const line = await migrate({ DB_SSL: 'verify-full', ...settings });
        expect(line).toMatch(/has no certificate that is trusted .* Set DB_SSL_CA/);
      }
    },
    2 * limitMs,
  );

  test(
    `with a certificate for another name is refused by verify-full, and not by require`,
    async () => {
      await switchTlsOn('db.example.com');
      const line = await migrate({ DB_SSL: 'verify-full', DB_SSL_CA: ours.caFile });
      expect(line).toMatch(
        /does not match certificate's altnames.* have DB_HOST name it as its certificate does/,
      );
      expect(await migrate({ DB_SSL: 'require' })).toMatch(migrated);
    },
    2 * limitMs,
  );
});
