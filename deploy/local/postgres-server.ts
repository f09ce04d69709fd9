import { randomBytes } from 'node:crypto';
import { chown, mkdir, open, readFile, realpath, rename, rm, statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientConfig } from 'pg';
import { startChild, type ChildHandle } from './child-process.ts';
import { hasCode, messageOf } from '../../shared/telemetry/describe-error.ts';
import { stopLeftoverServer } from './leftover-server.ts';
import { findPostgresBinaries } from './postgres-binaries.ts';
import { postgresAccessRules, postgresConfig } from './postgres-config.ts';
import { findPostgresPlace, type PostgresPlace, type PostgresPlaceOptions } from './postgres-user.ts';
import { runCommand } from './run-command.ts';
import { serverFailure, type FailureReason } from './server-failure.ts';
import { chooseServerPort } from './server-ports.ts';
import { withClient } from './with-client.ts';

export interface PostgresOptions {
  /** The folder of all local data, absolute; the cluster is in its `postgres`. No other supervisor may be using it. */
  readonly dataDir: string;
  /** Listen here; when not given, on the port of the last start or a free one. */
  readonly port?: number;
  /** Every line that Postgres itself writes. */
  readonly onLine?: (line: string) => void;
  /** What we are doing, for people to read. */
  readonly report?: (line: string) => void;
  /** Bytes of disk to reckon with; when not given, what is free. */
  readonly disk?: number;
  /** How to run as root; tests try each way. */
  readonly asRoot?: Pick<PostgresPlaceOptions, 'outsideDir' | 'namespaces'>;
}

interface Connection {
  readonly host: string;
  readonly port: number;
  /** A superuser. */
  readonly user: string;
  readonly password: string;
}

export interface PostgresServer extends Connection {
  readonly process: ChildHandle;
  /** Creates the database unless it is there. */
  createDatabase(name: string): Promise<void>;
}

const host = '127.0.0.1';
const user = 'holdfast';
const initdbMs = 120_000;
const readyPollMs = 50;
/** SQLSTATE invalid_password. */
const wrongPassword = '28P01';
const lastWordsMs = 1_000;
const tellAfterMs = 5_000;
const connectMs = 2_000;
/** Recovery after a crash reads at most some 16 GB of log, 10 MB/s at worst: longer than this something is wrong. */
const readyMs = 1_800_000;
/** A fast shutdown writes a checkpoint. */
const leftoverMs = 10_000;

const reasons: readonly FailureReason[] = [
  {
    pattern: /database files are incompatible|initialized by PostgreSQL version/u,
    explanation:
      'its data was made by another version of PostgreSQL: start with that version, or choose another DATA_DIR',
  },
  {
    pattern: /lock file .* already exists|pre-existing shared memory block/u,
    explanation: 'another PostgreSQL is working on the same folder: stop it first',
  },
  {
    pattern: /error while loading shared libraries|not found.*required by/iu,
    explanation: 'its programs do not fit this system: set DB_HOST to a PostgreSQL of your own',
  },
];

/**
 * Starts PostgreSQL on the data folder's cluster, made first when missing; resolves when it accepts connections.
 * After a crash it recovers by itself. Rejects with what is wrong and how to mend it.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const { dataDir, report } = options;
  await mkdir(dataDir, { recursive: true }).catch((error: unknown) => {
    throw unreadable(dataDir, error);
  });
  const native = await findPostgresBinaries();
  const place = await findPostgresPlace({ dataDir, native, ...options.asRoot, ...(report && { report }) });
  const password = await readOrMakePassword(place);
  const cluster = join(place.folder, 'cluster');
  await makeCluster(place, cluster, report);
  await stopLeftoverServer({
    folder: await realpath(cluster),
    executable: 'postgres',
    pidFile: join(cluster, 'postmaster.pid'),
    signals: ['SIGINT', 'SIGQUIT'],
    patienceMs: leftoverMs,
    ...(report && { report }),
  });
  // Nobody works on the cluster. The number in it may be another program's by now, which would stop Postgres.
  await rm(join(cluster, 'postmaster.pid'), { force: true });

  const port = options.port ?? (await chooseServerPort(dataDir, 'postgres'));
  // A container's bound; without one it is zero or more than there is.
  const bound = process.constrainedMemory();
  const memory = bound > 0 ? Math.min(bound, totalmem()) : totalmem();
  const means = { memory, disk: options.disk ?? (await freeDisk(cluster)) };
  await writeOwned(place, join(cluster, 'postgresql.conf'), postgresConfig(host, port, means));
  await writeOwned(place, join(cluster, 'pg_hba.conf'), postgresAccessRules(host));

  const [command, args] = commandOf(place, 'postgres', ['-D', cluster]);
  const child = await startChild({
    name: 'postgres',
    command,
    args,
    // The cluster's own folder, whoever may not read the one we stand in.
    cwd: cluster,
    stopSignal: 'SIGINT',
    ...(place.user && { user: place.user }),
    ...(options.onLine && { onLine: options.onLine }),
  });
  const connection = { host, port, user, password };
  try {
    await untilReady(child, connection, join(place.folder, 'password'), report);
  } catch (error) {
    child.kill();
    throw error;
  }
  return { ...connection, process: child, createDatabase: (name) => createDatabase(connection, name) };
}

/** Bytes that are free where this folder is. */
export async function freeDisk(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function commandOf(
  place: PostgresPlace,
  program: string,
  args: readonly string[],
): [string, readonly string[]] {
  const [command = '', ...rest] = [...place.prefix, join(place.native, 'bin', program), ...args];
  return [command, rest];
}

async function readOrMakePassword(place: PostgresPlace): Promise<string> {
  const file = join(place.folder, 'password');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw unreadable(place.folder, error);
  }
  if (await readVersion(join(place.folder, 'cluster'))) {
    throw new Error(
      `${file} is missing, without which the data beside it can't be opened: put it back, or choose another DATA_DIR`,
    );
  }
  const password = randomBytes(24).toString('base64url');
  await writeOwned(place, file, `${password}\n`);
  return password;
}

/** Makes the cluster under another name first: a start that is killed in the middle leaves no half of one. */
async function makeCluster(
  place: PostgresPlace,
  cluster: string,
  report?: (line: string) => void,
): Promise<void> {
  const version = await readVersion(cluster);
  const [command, args] = commandOf(place, 'postgres', ['--version']);
  const run = { timeoutMs: initdbMs, cwd: place.folder, ...(place.user && { user: place.user }) };
  const { code, lines } = await runCommand(command, args, run);
  const ours = /PostgreSQL\) (\d+)/u.exec(lines.join('\n'))?.[1];
  if (code !== 0 || ours === undefined) throw serverFailure('PostgreSQL', lines, reasons);
  if (version !== undefined) {
    if (version === ours) return;
    throw new Error(
      `the data in ${cluster} was made by PostgreSQL ${version}, and this is ${ours}: ` +
        'dump it with the old version and load it into the new one, or choose another DATA_DIR',
    );
  }
  report?.(`making a PostgreSQL ${ours} cluster in ${cluster}`);
  const draft = `${cluster}.new`;
  await rm(draft, { recursive: true, force: true });
  const [initdb, initdbArgs] = commandOf(place, 'initdb', [
    `--pgdata=${draft}`,
    `--username=${user}`,
    `--pwfile=${join(place.folder, 'password')}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // Text sorts by code point, the same on every machine and after every upgrade of its libraries.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-instructions',
  ]);
  const made = await runCommand(initdb, initdbArgs, run);
  if (made.code !== 0) {
    await rm(draft, { recursive: true, force: true });
    throw serverFailure('PostgreSQL', made.lines, reasons);
  }
  await rename(draft, cluster);
  await syncFolder(place.folder);
}

async function readVersion(cluster: string): Promise<string | undefined> {
  try {
    return (await readFile(join(cluster, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw unreadable(cluster, error);
  }
}

async function untilReady(
  child: ChildHandle,
  connection: Connection,
  passwordFile: string,
  report?: (line: string) => void,
): Promise<void> {
  const ended = child.exited.then(() => true);
  const start = performance.now();
  let told = start;
  for (;;) {
    // Another program that took the port may accept connections and say nothing.
    const problem = await Promise.race([tryToConnect(connection), ended.then(() => ({ error: 'ended' }))]);
    if (problem === undefined) return;
    const isRefused = hasCode(problem.error, wrongPassword);
    // It may have been another server that answered, and ours is about to find its port taken.
    if (await Promise.race([delay(isRefused ? lastWordsMs : readyPollMs, false), ended])) {
      throw serverFailure('PostgreSQL', child.lastLines, reasons);
    }
    if (isRefused) {
      throw new Error(
        `PostgreSQL refuses the password in ${passwordFile}: put the right one there, or choose another DATA_DIR`,
        { cause: problem.error },
      );
    }
    const now = performance.now();
    if (now - start > readyMs)
      throw serverFailure('PostgreSQL', [...child.lastLines, messageOf(problem.error)], reasons);
    if (now - told > tellAfterMs) {
      told = now;
      report?.(`waiting for PostgreSQL: ${child.lastLines.at(-1) ?? messageOf(problem.error)}`);
    }
  }
}

/** Why it can't be used yet; undefined when it can. */
async function tryToConnect(connection: Connection): Promise<{ readonly error: unknown } | undefined> {
  try {
    await withClient(anyDatabaseOf(connection), (client) => client.query('SELECT 1'));
    return undefined;
  } catch (error) {
    return { error };
  }
}

async function createDatabase(connection: Connection, name: string): Promise<void> {
  try {
    await withClient(anyDatabaseOf(connection), async (client) => {
      const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
    });
  } catch (error) {
    throw serverFailure('PostgreSQL', [messageOf(error)], reasons);
  }
}

/** The database that every cluster has. */
function anyDatabaseOf(connection: Connection): ClientConfig {
  return { ...connection, database: 'postgres', connectionTimeoutMillis: connectMs };
}

/** Writes a file whole or not at all, readable by Postgres's user alone. */
async function writeOwned(place: PostgresPlace, path: string, text: string): Promise<void> {
  try {
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (place.user) await chown(`${path}.new`, place.user.uid, place.user.gid);
    await rename(`${path}.new`, path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function unreadable(path: string, error: unknown): Error {
  return serverFailure('PostgreSQL', [`${path}: ${messageOf(error)}`], reasons);
}
