import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startPostgres } from '../deploy/local/postgres-server.ts';
import { residentBytes } from '../deploy/local/process-tree.ts';
import { progress, say } from '../deploy/local/progress.ts';
import { listenForStop } from '../deploy/local/stop-request.ts';
import { migrate } from '../services/ledger/store/migrate.ts';
import type { DatabaseAddress } from '../services/ledger/store/session.ts';
import { BookFiller } from './fill-books.ts';
import { medianOf } from './sample.ts';
import { unlessStopped } from './unless-stopped.ts';

const databaseName = 'holdfast_bench';
/** What `npm run audit` promises, in entries per second. */
const promised = 50_000;
/** Some hundred entries for each of a million: the chain's beginning and the account's end weigh little. */
const accounts = 10_000;
const lookEveryMs = 100;

interface Run {
  readonly seconds: number;
  readonly findings: number;
  /** Of the auditing process, after a quarter of its time and at its highest. Linux only. */
  readonly quarterMiB: number;
  readonly peakMiB: number;
}

/** How fast `npm run audit` is, and how much memory it takes. Resolves with the exit code. */
export async function measureAuditSpeed(
  root: string,
  env: NodeJS.ProcessEnv,
  plan: { entries: number; rounds: number },
): Promise<number> {
  const stop = listenForStop();
  const dataDir = await mkdtemp(join(tmpdir(), 'holdfast bench '));
  try {
    const postgres = await startPostgres({ dataDir, report: say });
    try {
      await postgres.createDatabase(databaseName);
      const { host, port, user, password } = postgres;
      const worked = measureOn({ host, port, user, password, name: databaseName }, { root, env, ...plan });
      return await unlessStopped(stop, worked);
    } finally {
      await postgres.process.stop(10_000);
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measureOn(
  address: DatabaseAddress,
  plan: { root: string; env: NodeJS.ProcessEnv; entries: number; rounds: number },
): Promise<number> {
  await migrate(address);
  const entries = await fill(address, plan.entries);
  const auditEnv = {
    PATH: plan.env['PATH'],
    DB_HOST: address.host,
    DB_PORT: String(address.port),
    DB_USER: address.user,
    DB_PASSWORD: address.password,
    DB_NAME: address.name,
  };
  const rates: number[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    const { seconds, findings, quarterMiB, peakMiB } = await runAudit(plan.root, auditEnv);
    rates.push(entries / seconds);
    process.stdout.write(
      `${entries} entries of ${accounts} accounts in ${seconds.toFixed(1)} s: ` +
        `${(entries / seconds).toFixed(0)} entries/s, ${quarterMiB} MiB after a quarter, ${peakMiB} MiB at most, ` +
        `${findings} findings\n`,
    );
    if (findings > 0) return 1;
  }
  return medianOf(rates) >= promised ? 0 : 1;
}

/** Accounts with money, and holds on them that are settled, at least so many entries in all; the number of them. */
async function fill(address: DatabaseAddress, entries: number): Promise<number> {
  const filler = new BookFiller(address);
  try {
    await filler.openAccounts(accounts, () => undefined);
    const rest = entries - 2 * accounts;
    await filler.liveHolds(rest, progress('filling the books', rest));
    return 2 * filler.filled.accounts + filler.filled.holds + filler.filled.settled;
  } finally {
    await filler.close();
  }
}

/** The command as a person runs it, from its start to its end. */
async function runAudit(root: string, env: NodeJS.ProcessEnv): Promise<Run> {
  const began = performance.now();
  const child = spawn(process.execPath, [join(root, 'dist/deploy/audit/main.js'), '--json'], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const memory: number[] = [];
  const looking = setInterval(() => memory.push(residentMiB(child.pid)), lookEveryMs);
  const [output, [code]] = await Promise.all([
    text(child.stdout),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  clearInterval(looking);
  const seconds = (performance.now() - began) / 1000;
  // It has said why, on standard error.
  if (code !== 0 && code !== 1) throw new Error(`the audit ended with ${code}`);
  const { findings } = JSON.parse(output) as { findings: unknown[] };
  return {
    seconds,
    findings: findings.length,
    quarterMiB: memory[Math.floor(memory.length / 4)] ?? 0,
    peakMiB: Math.max(0, ...memory),
  };
}

function residentMiB(pid: number | undefined): number {
  const bytes = pid === undefined ? undefined : residentBytes(pid);
  return Math.round((bytes ?? 0) / 1024 ** 2);
}
