import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { auditBooks } from '../services/ledger/audit/audit-books.ts';
import { measureAuditSpeed } from './audit-speed.ts';
import { outboxIsEmpty } from './books.ts';
import { measure, medianOf, writeLoads, type Load, type Measurement } from './measure.ts';
import { openAccounts } from './open-accounts.ts';
import { measureOverload } from './overload.ts';
import { writeResultFile } from './result-file.ts';
import { listenForStop } from '../deploy/local/stop-request.ts';
import { progress, say } from '../deploy/local/progress.ts';
import { measureSoak } from './soak.ts';
import { measureTelemetryCost } from './telemetry-cost.ts';
import { durabilityProblems, startBenchStack, type BenchStack } from './stack.ts';

const usage = `npm run bench -- [options]
  --accounts N         accounts to spread over (100000)
  --connections LIST   connections to measure with (1,64,256)
  --seconds N          seconds of each measurement (10)
  --rounds N           rounds, each measures everything once; the table shows medians (3)
  --quick              20,000 accounts, 5 seconds, 1 round: under two minutes
  --smoke              that it works, nothing more: a few seconds
  --telemetry-cost     instead, what metrics and traces of one request in a hundred cost: two stacks in turn
  --audit              instead, how fast npm run audit is: on 10,000 accounts with --entries N (1000000)
  --overload           instead, four times what it can do, for --seconds N (60): what is accepted, refused, how fast
  --soak               instead, a steady mixed load for --minutes N (30) at half the best rate, or at --rate N per second
  --cpu-prof DIR       write CPU profiles of the services there`;

interface Plan {
  readonly accounts: number;
  readonly connections: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  readonly telemetryCost: boolean;
  /** Entries of the books to audit instead. */
  readonly auditEntries: number | undefined;
  readonly overload: boolean;
  readonly soak:
    { readonly accounts: number; readonly minutes: number; readonly rate: number | undefined } | undefined;
  readonly profileDir: string | undefined;
}

/** `npm run bench`: measures, audits the books, prints a table. Resolves with the exit code. */
export async function runBench(root: string, args: readonly string[]): Promise<number> {
  const plan = readPlan(args);
  if (plan === undefined) return 2;
  if (plan.telemetryCost) return measureTelemetryCost(root, process.env, plan);
  if (plan.auditEntries !== undefined) {
    const { auditEntries: entries, rounds } = plan;
    return measureAuditSpeed(root, process.env, { entries, accounts: auditAccounts, rounds });
  }
  if (plan.soak !== undefined) return measureSoak(root, process.env, plan.soak);
  if (plan.overload) return measureOverload(root, process.env, plan);
  const stop = listenForStop();
  const workDir = await mkdtemp(join(tmpdir(), 'holdfast bench load '));
  const nodeOptions =
    plan.profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${plan.profileDir}`];
  const stack = await startBenchStack({ root, env: process.env, report: say, nodeOptions });
  try {
    return await Promise.race([run(root, plan, stack, workDir), stop.reason.then(() => interruptedExitCode)]);
  } finally {
    await stack.stop();
    await rm(workDir, { recursive: true, force: true });
  }
}

/** Some hundred entries for each of a million: the chain's beginning and the account's end weigh little. */
const auditAccounts = 10_000;
const interruptedExitCode = 130;

async function run(root: string, plan: Plan, stack: BenchStack, workDir: string): Promise<number> {
  const ids = await openAccounts(stack.nats, plan.accounts, progress('opening accounts', plan.accounts));
  const loads = await writeLoads(workDir, ids);
  const { warmUp, measurements } = await measureAll(root, stack, plan, loads);
  await outboxIsEmpty(stack.database);
  const subtracts = [warmUp, ...measurements].filter(({ changesBooks }) => changesBooks);
  const problems = [
    ...(await durabilityProblems(stack)),
    ...[warmUp, ...measurements].flatMap(failuresOf),
    ...(await auditProblems(stack, subtracts, ids.length)),
  ];
  process.stdout.write(tableOf(measurements));
  await writeResult(root, plan, stack, measurements, problems);
  for (const problem of problems) process.stdout.write(`VOID: ${problem}\n`);
  return problems.length === 0 ? 0 : 1;
}

async function auditProblems(
  stack: BenchStack,
  subtracts: readonly Measurement[],
  accounts: number,
): Promise<string[]> {
  const expected = subtracts.reduce((sum, { requests }) => sum + requests, 0);
  const onProgress = progress('auditing the books', expected + 2 * accounts);
  const began = performance.now();
  const address = { ...stack.database, name: stack.database.database };
  const books = await auditBooks(address, { onProgress });
  say(`audited ${books.entries} entries in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const problems = books.findings.map(({ accountId, problem }) => `${accountId ?? ''} ${problem}`);
  // The generator stops counting at the bell, while requests are under way: there may be more entries, never fewer.
  const spare = books.subtracts - expected;
  const underWay = subtracts.reduce((sum, { connections }) => sum + connections, 0);
  if (spare < 0 || spare > underWay) {
    problems.push(`${expected} subtracts were acknowledged, and ${books.subtracts} are in the books`);
  }
  return problems;
}

function readPlan(args: readonly string[]): Plan | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        accounts: { type: 'string' },
        connections: { type: 'string' },
        seconds: { type: 'string' },
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        smoke: { type: 'boolean', default: false },
        overload: { type: 'boolean', default: false },
        soak: { type: 'boolean', default: false },
        minutes: { type: 'string', default: '30' },
        rate: { type: 'string' },
        'telemetry-cost': { type: 'boolean', default: false },
        audit: { type: 'boolean', default: false },
        entries: { type: 'string', default: '1000000' },
        'cpu-prof': { type: 'string' },
      },
    });
    const all = values.overload || values.soak ? '20000,60,1' : '100000,10,3';
    const whole = values.smoke ? '500,1,1' : values.quick ? '20000,5,1' : all;
    const [accounts, seconds, rounds] = whole.split(',');
    return {
      accounts: readNumber('accounts', values.accounts ?? accounts),
      connections: (values.connections ?? (values.smoke ? '8' : '1,64,256'))
        .split(',')
        .map((each) => readNumber('connections', each)),
      seconds: readNumber('seconds', values.seconds ?? seconds),
      rounds: readNumber('rounds', values.rounds ?? rounds),
      overload: values.overload,
      soak: values.soak
        ? {
            accounts: readNumber('accounts', values.accounts ?? accounts),
            minutes: readNumber('minutes', values.minutes),
            rate: values.rate === undefined ? undefined : readNumber('rate', values.rate),
          }
        : undefined,
      telemetryCost: values['telemetry-cost'],
      auditEntries: values.audit ? readNumber('entries', values.entries) : undefined,
      profileDir: values['cpu-prof'],
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}\n`);
    return undefined;
  }
}

function readNumber(option: string, text: string | undefined): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`--${option} must be a whole number from 1 on`);
  return number;
}

async function measureAll(
  root: string,
  stack: BenchStack,
  plan: Plan,
  loads: readonly [Load, Load, Load],
): Promise<{ warmUp: Measurement; measurements: Measurement[] }> {
  say('warming up');
  const warmUp = await measure(root, stack, loads[1], 64, Math.min(plan.seconds, 3));
  const measurements: Measurement[] = [];
  const show = progress('measuring', plan.rounds * plan.connections.length * loads.length);
  // Rounds, not repetitions in a row: the machine's mood shall fall on all loads alike.
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const connections of plan.connections) {
      for (const load of loads) {
        measurements.push(await measure(root, stack, load, connections, plan.seconds));
        show(measurements.length);
      }
    }
  }
  return { warmUp, measurements };
}

function failuresOf({ load, connections, failed }: Measurement): string[] {
  return failed === 0 ? [] : [`${failed} requests of "${load}" at ${connections} connections failed`];
}

/** One line per load and number of connections, with the median of each figure over the rounds. */
function tableOf(measurements: readonly Measurement[]): string {
  const groups = groupsOf(measurements);
  const processes = Object.keys(measurements[0]?.cpuMicros ?? {});
  const header = ['load', 'conns', 'req/s', 'p50 ms', 'p99 ms', ...processes.map((name) => `µs ${name}`)];
  const rows = [...groups.values()].map((group) => {
    const median = (figure: (measurement: Measurement) => number): number => medianOf(group.map(figure));
    return [
      group[0]?.load ?? '',
      String(group[0]?.connections ?? 0),
      median(({ requestsPerSecond }) => requestsPerSecond).toFixed(0),
      median(({ p50Ms }) => p50Ms).toFixed(1),
      median(({ p99Ms }) => p99Ms).toFixed(1),
      ...processes.map((name) => median(({ cpuMicros }) => cpuMicros[name] ?? 0).toFixed(0)),
    ];
  });
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  return `\n${[header, ...rows].map(line).join('\n')}\n`;
}

function groupsOf(measurements: readonly Measurement[]): Map<string, Measurement[]> {
  const groups = new Map<string, Measurement[]>();
  for (const measurement of measurements) {
    const key = `${measurement.load} ${measurement.connections}`;
    groups.set(key, [...(groups.get(key) ?? []), measurement]);
  }
  return groups;
}

async function writeResult(
  root: string,
  plan: Plan,
  stack: BenchStack,
  measurements: readonly Measurement[],
  problems: readonly string[],
): Promise<void> {
  await writeResultFile(root, '', stack.natsVersion, { plan, problems, measurements });
}
