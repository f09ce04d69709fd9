import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadEnvFile } from '../../shared/config/load-env-file.ts';
import { findOddSettings } from '../../shared/config/odd-settings.ts';
import { startChild, type ChildHandle } from './child-process.ts';
import { readTestSettings, testSettings } from './config.ts';
import { provideNatsServer } from './nats-binary/find-nats-server.ts';
import { messageOf } from '../../shared/telemetry/describe-error.ts';
import { startNatsServer } from './nats-server.ts';
import { startPostgres } from './postgres-server.ts';
import { identifyProcess } from './process-identity.ts';
import { listenForStop } from './stop-request.ts';
import { provideTestDatabase, type DatabaseServer } from './test-database.ts';

/** With a space, as strangers' folders have. The number is ours, so that a later run knows whose folder it is. */
const folderPrefix = 'holdfast test ';
/** Drops the test database and makes it anew. */
const createDb = '--create-db';
const stopMs = 5_000;
const exitInterrupted = 130;

/**
 * Runs the tests against a real PostgreSQL and nats-server, which live as long as the run, on free ports and in a
 * temporary folder; ends the process with jest's exit code. All that runs ends with this process, killed or not.
 * With `TEST_DB_*` set the PostgreSQL is the user's own. What is not `--create-db` goes to jest.
 */
export async function runTests(args: readonly string[]): Promise<never> {
  const stop = listenForStop();
  await removeLeftFolders();
  const folder = await mkdtemp(join(tmpdir(), `${folderPrefix}${process.pid} `));
  const started: Started = { jest: undefined, servers: [] };
  const exitCode = await Promise.race([
    runJest(folder, args, started),
    stop.reason.then(() => exitInterrupted),
  ]).catch((error: unknown) => {
    process.stderr.write(`\nThe tests can't run: ${messageOf(error)}\n`);
    return 1;
  });
  started.jest?.kill();
  await started.jest?.exited;
  await Promise.all(started.servers.map((server) => server.stop(stopMs)));
  await rm(folder, { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined);
  process.exit(exitCode);
}

interface Started {
  jest: ChildHandle | undefined;
  readonly servers: ChildHandle[];
}

function report(line: string): void {
  process.stderr.write(`  ${line}\n`);
}

async function runJest(folder: string, args: readonly string[], started: Started): Promise<number> {
  const root = dirname(dirname(dirname(import.meta.dirname)));
  // Of what .env says, tests see no more than where their database is.
  const env = { ...process.env };
  loadEnvFile(env, root);
  const settings = readTestSettings(env);
  for (const line of findOddSettings(testSettings, env)) report(line);
  // Tests make their temporary folders below ours. Some of their servers run as another user.
  const temporary = join(folder, 'tmp');
  await mkdir(temporary);
  await Promise.all([chmod(folder, 0o755), chmod(temporary, 0o755)]);

  const dataDir = join(folder, 'data');
  const [postgres, nats] = await Promise.all([
    settings.server ?? startTestPostgres(dataDir, started),
    startTestNats(root, dataDir, started),
  ]);
  await provideTestDatabase(postgres, settings.databaseName, { anew: args.includes(createDb) });
  const jest = await startChild({
    name: 'jest',
    command: process.execPath,
    args: [
      join(root, 'node_modules/jest/bin/jest.js'),
      '--maxWorkers=3',
      `--cacheDirectory=${join(root, 'node_modules/.cache/jest')}`,
      ...args.filter((arg) => arg !== createDb),
    ],
    cwd: root,
    env: {
      ...process.env,
      TMPDIR: temporary,
      TEST_DB_HOST: postgres.host,
      TEST_DB_PORT: String(postgres.port),
      TEST_DB_USER: postgres.user,
      TEST_DB_PASSWORD: postgres.password,
      TEST_DB_NAME: settings.databaseName,
      TEST_NATS_URL: nats.url,
    },
    inheritOutput: true,
    orphanGraceSeconds: 0,
  });
  started.jest = jest;
  return (await jest.exited).code ?? 1;
}

async function startTestPostgres(dataDir: string, started: Started): Promise<DatabaseServer> {
  const server = await startPostgres({ dataDir, report });
  started.servers.push(server.process);
  return server;
}

async function startTestNats(root: string, dataDir: string, started: Started) {
  // Not the temporary folder: a nats-server that has to be fetched is kept for the next run.
  const found = await provideNatsServer(join(root, '.data'), process.env, report);
  const server = await startNatsServer({ dataDir, binary: found.path, open: true, report });
  started.servers.push(server.process);
  return server;
}

/** The folders of runs that were killed before they could remove them. */
async function removeLeftFolders(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(folderPrefix)) continue;
    const pid = Number.parseInt(name.slice(folderPrefix.length), 10);
    if (identifyProcess(pid) !== undefined) continue;
    // Someone else's stays.
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
}
