import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../shared/telemetry/describe-error.ts';
import { say } from '../deploy/local/progress.ts';
import { splitLines } from '../deploy/local/split-lines.ts';
import { askDatabase } from '../deploy/local/with-client.ts';
import type { Cell } from './loads.ts';
import { cpuOf, microsBetween, type Bench } from './measure.ts';
import type { Options } from './options.ts';
import { readProgress, sumOf, type ProgressReport } from './pgbench-progress.ts';
import { names, type Sample } from './sample.ts';

const databaseName = 'holdfast_bench_peers';
/** 20 is two million rows. */
const scale = { all: 20, quick: 20, smoke: 1 } as const;
const manyClients = 64;
/** Not counted: 64 sessions take a second to be made, and then read the catalogue and prepare their statements. */
const warmUpSeconds = 3;
const debianFolder = '/usr/lib/postgresql';

const howToGetIt =
  'pgbench was not found, so nothing is compared with it. It comes with the PostgreSQL client tools: ' +
  '`apt-get install postgresql-contrib` on Debian and Ubuntu, `brew install libpq` on macOS; or put its folder on PATH.';

/** Where pgbench is; undefined when nowhere, and then `report` says how to get it. */
export async function findPgbench(report: (line: string) => void): Promise<string | undefined> {
  const versions = await readdir(debianFolder).catch(() => []);
  const newestFirst = versions.toSorted((left, right) => Number(right) - Number(left));
  for (const program of ['pgbench', ...newestFirst.map((each) => join(debianFolder, each, 'bin/pgbench'))]) {
    try {
      const { stdout } = await promisify(execFile)(program, ['--version']);
      report(`comparing with ${stdout.trim()}`);
      return program;
    } catch {
      // The next place.
    }
  }
  report(howToGetIt);
  return undefined;
}

/** Fills pgbench's tables, in a database of their own on the same server. */
export async function preparePeers(
  bench: Bench,
  pgbench: string,
  { seconds, extent }: Options,
): Promise<Cell[]> {
  await makeDatabase(bench);
  const naive = ['-n', '-f', join(bench.root, 'bench/naive-hold.sql')];
  const peer = (name: string, count: number, args: readonly string[]): Cell => ({
    name,
    measure: async (round) => [
      await measurePeer(bench, pgbench, { name, clients: count, seconds, args }, round),
    ],
  });
  say(`filling pgbench's tables, scale ${scale[extent]}`);
  await run(bench, pgbench, ['-i', '-q', '-s', String(scale[extent])]);
  const tpcb = [peer(names.tpcb(manyClients), manyClients, []), peer(names.tpcb(1), 1, [])];
  // The goals are held against TPC-B.
  if (extent === 'quick') return tpcb;
  return [
    ...tpcb,
    peer(names.simpleUpdate(manyClients), manyClients, ['-N']),
    peer(names.naive(manyClients), manyClients, naive),
  ];
}

async function makeDatabase({ stack }: Bench): Promise<void> {
  await askDatabase(stack.database, `CREATE DATABASE ${databaseName}`);
  const statements = [
    'CREATE TABLE naive_accounts (id integer PRIMARY KEY, balance bigint NOT NULL, held bigint NOT NULL)',
    'INSERT INTO naive_accounts SELECT id, 100000000, 0 FROM generate_series(1, 100000) AS id',
    `CREATE TABLE naive_holds (
       id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
       account_id integer NOT NULL, amount bigint NOT NULL, due_at timestamptz NOT NULL)`,
    'ANALYZE naive_accounts',
  ];
  for (const statement of statements)
    await askDatabase({ ...stack.database, database: databaseName }, statement);
}

async function measurePeer(
  bench: Bench,
  pgbench: string,
  plan: { name: string; clients: number; seconds: number; args: readonly string[] },
  round: number,
): Promise<Sample> {
  const { name, clients, seconds, args } = plan;
  const threads = Math.min(clients, 2);
  const reports: (ProgressReport & { readonly cpu: ReturnType<typeof cpuOf> })[] = [];
  const take = (line: string): void => {
    const report = readProgress(line);
    if (report !== undefined) reports.push({ ...report, cpu: cpuOf(bench.stack) });
  };
  const untilS = warmUpSeconds + seconds;
  // A second more, since it may end before it says anything of its last one.
  const numbers = ['-c', String(clients), '-j', String(threads), '-T', String(untilS + 1)];
  const output = await run(bench, pgbench, ['-M', 'prepared', '-P', '1', ...numbers, ...args], take);
  const counted = reports.filter(({ atS }) => Math.round(atS) >= warmUpSeconds && Math.round(atS) <= untilS);
  const [first, last] = [counted[0], counted.at(-1)];
  if (first === undefined || last === undefined || first === last)
    throw new Error(`pgbench did not say how far it was:\n${output}`);
  const { transactions, perSecond, meanMs } = sumOf(counted);
  const failed = Number(/number of failed transactions: (\d+)/.exec(output)?.[1] ?? 0);
  return {
    name,
    round,
    perSecond,
    meanMs,
    cpuMicros: { postgres: microsBetween(first.cpu, last.cpu, transactions)['postgres'] ?? 0 },
    ...(failed > 0 && { failed: { count: failed, first: output } }),
  };
}

async function run(
  { stack }: Bench,
  pgbench: string,
  args: readonly string[],
  onLine: (line: string) => void = () => undefined,
): Promise<string> {
  const { host, port, user, password } = stack.database;
  try {
    const running = promisify(execFile)(pgbench, [...args, databaseName], {
      env: {
        ...process.env,
        // What it says is read.
        LC_ALL: 'C',
        PGHOST: host,
        PGPORT: String(port),
        PGUSER: user,
        PGPASSWORD: password,
      },
    });
    if (running.child.stderr !== null) splitLines(running.child.stderr, onLine);
    return (await running).stdout;
  } catch (error) {
    throw new Error(`pgbench failed: ${messageOf(error)}`, { cause: error });
  }
}
