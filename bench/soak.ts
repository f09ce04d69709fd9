import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { progress, say } from '../deploy/local/progress.ts';
import { askDatabase } from '../deploy/local/with-client.ts';
import { eventsStream, holdsStream } from '../shared/contracts/subjects.ts';
import { auditFindings, countChanges, untilOutboxIsEmpty } from './books.ts';
import { conclude } from './conclude.ts';
import { hasGrown, medianMiB, MemoryWatch } from './memory.ts';
import { openAccounts } from './open-accounts.ts';
import { writeResultFile } from './result-file.ts';
import { bookedProblems, bookedRow, runSteadyLoad, surprisesOf } from './run-steady-load.ts';
import { durabilityProblems, type BenchStack } from './stack.ts';
import { namedRows, type NamedRow } from './tables.ts';
import type { Phase, PhaseResult } from './load-order.ts';

const holdPeriodMinutes = 0.1;
/** What the stack is started with. Six seconds: holds fall due all the time. */
export const soakSettings = { SUBSTRACT_HOLD_PERIOD: String(holdPeriodMinutes) };
/** Of the best rate: what a service that is well sized does. */
const share = 0.5;
const connections = 256;
const bestSeconds = 10;
const lookEveryMs = 5_000;

interface SoakPlan {
  readonly accounts: number;
  readonly minutes: number;
  /** Requests per second; without it half of the best there is. */
  readonly rate: number | undefined;
}

/** Whatever could grow. */
interface Look {
  readonly atSeconds: number;
  readonly outboxRows: number;
  readonly pendingHolds: number;
  /** Tables, indexes and what is dead in them. */
  readonly databaseBytes: number;
  readonly streamBytes: Readonly<Record<string, number>>;
}

/**
 * `npm run bench -- --soak`: mixed commands at a steady rate, with holds that soon fall due, and what that leaves behind
 * in memory, tables and streams. Resolves with the exit code.
 */
export async function measureSoak(root: string, stack: BenchStack, plan: SoakPlan): Promise<number> {
  const memory = new MemoryWatch(stack.pids);
  try {
    return await run(root, plan, stack, memory);
  } finally {
    memory.stop();
  }
}

async function run(root: string, plan: SoakPlan, stack: BenchStack, memory: MemoryWatch): Promise<number> {
  const { database } = stack;
  const { accounts } = plan;
  await openAccounts(stack.nats, accounts, progress('opening accounts', accounts));
  const load = async (phase: Phase): Promise<PhaseResult> => {
    const order = { url: stack.url, connections, phases: [phase], accounts, mixed: true };
    const [result] = (await runSteadyLoad(root, order)).phases;
    if (result === undefined) throw new Error('the generator left its phase out');
    return result;
  };
  const changesBefore = await countChanges(database);
  const warmUp = await load({ seconds: bestSeconds });
  const rate = plan.rate ?? (share * (warmUp.applied + warmUp.looks)) / bestSeconds;

  say(`${rate.toFixed(0)} requests a second for ${plan.minutes} minutes`);
  const seconds = plan.minutes * 60;
  const first = await lookAt(stack, 0);
  memory.taken();
  const looks: Look[] = [first];
  const show = progress('soaking', seconds);
  const began = performance.now();
  let looking = Promise.resolve();
  const timer = setInterval(() => {
    const atSeconds = Math.round((performance.now() - began) / 1_000);
    show(Math.min(seconds, atSeconds));
    looking = looking.then(async () => void looks.push(await lookAt(stack, atSeconds)));
  }, lookEveryMs);
  const soak = await load({ seconds, perSecond: rate }).finally(() => clearInterval(timer));
  const memoryLooks = memory.taken();
  await looking;
  await untilOutboxIsEmpty(database);
  const last = await lookAt(stack, seconds);
  looks.push(last);

  const memoryCourse = courseOf(memoryLooks, Object.keys(stack.pids));
  const phases = [warmUp, soak];
  const booked = (await countChanges(database)) - changesBefore;
  const problems = [
    ...(await durabilityProblems(stack)),
    ...phases.flatMap(surprisesOf),
    ...bookedProblems(phases, booked),
    ...Object.entries(memoryCourse).flatMap(([name, { start, end }]) =>
      hasGrown(start, end) ? [`the ${name} grew from ${start} MiB to ${end} MiB`] : [],
    ),
    ...(await auditFindings(stack)),
  ];
  const perMillion = (bytes: (look: Look) => number): number =>
    ((bytes(last) - bytes(first)) / soak.applied) * 1_000_000;
  const figures = {
    rate,
    memory: memoryCourse,
    mostOutboxRows: Math.max(...looks.map(({ outboxRows }) => outboxRows)),
    mostPendingHolds: Math.max(...looks.map(({ pendingHolds }) => pendingHolds)),
    databaseBytesPerMillion: perMillion(({ databaseBytes }) => databaseBytes),
    eventBytesPerMillion: perMillion(({ streamBytes }) => streamBytes[eventsStream] ?? 0),
    mostHoldsStreamBytes: Math.max(...looks.map(({ streamBytes }) => streamBytes[holdsStream] ?? 0)),
  };
  process.stdout.write(tableOf(plan, soak, figures, bookedRow(phases, booked)));
  await writeResultFile(root, '-soak', stack.natsVersion, { plan, problems, figures, soak, looks });
  return conclude(problems);
}

async function lookAt(stack: BenchStack, atSeconds: number): Promise<Look> {
  const [row] = await askDatabase<{ outbox: string; pending: string; bytes: string }>(
    stack.database,
    `SELECT (SELECT count(*) FROM outbox) AS outbox,
            (SELECT count(*) FROM holds WHERE status = 'pending') AS pending,
            (SELECT sum(pg_total_relation_size(oid)) FROM pg_class
             WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace) AS bytes`,
  );
  return {
    atSeconds,
    outboxRows: Number(row?.outbox),
    pendingHolds: Number(row?.pending),
    databaseBytes: Number(row?.bytes),
    streamBytes: await sizesOfStreams(dirname(stack.natsConfigFile)),
  };
}

/** What each stream takes on the broker's disk. */
async function sizesOfStreams(folder: string): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const stream = /\/streams\/([^/]+)/u.exec(`${entry.parentPath}/`)?.[1];
    if (stream === undefined || !entry.isFile()) continue;
    // The broker deletes files meanwhile.
    const file = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
    sizes[stream] = (sizes[stream] ?? 0) + (file?.size ?? 0);
  }
  return sizes;
}

/** Medians of the second and the last tenth, in MiB: the first tenth is warming up. */
function courseOf(
  looks: readonly Record<string, number>[],
  names: readonly string[],
): Record<string, { start: number; end: number }> {
  const tenth = Math.max(1, Math.floor(looks.length / 10));
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        start: medianMiB(looks.slice(tenth, 2 * tenth), name),
        end: medianMiB(looks.slice(-tenth), name),
      },
    ]),
  );
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

function tableOf(
  plan: SoakPlan,
  soak: PhaseResult,
  figures: {
    rate: number;
    memory: Record<string, { start: number; end: number }>;
    mostOutboxRows: number;
    mostPendingHolds: number;
    databaseBytesPerMillion: number;
    eventBytesPerMillion: number;
    mostHoldsStreamBytes: number;
  },
  books: NamedRow,
): string {
  return namedRows([
    [
      'offered',
      `${figures.rate.toFixed(0)}/s for ${plan.minutes} minutes; holds last ${holdPeriodMinutes * 60} s`,
    ],
    [
      'answered',
      `${soak.applied} changes, ${soak.looks} looks; ${soak.refused} refused, ${soak.notSent} not sent`,
    ],
    ['', `p50 ${soak.ok.p50Ms} ms, p99 ${soak.ok.p99Ms} ms, at most ${soak.ok.maxMs} ms`],
    ...Object.entries(figures.memory).map(([name, { start, end }]): NamedRow => [
      `MiB ${name}`,
      `${start} once warm, ${end} at the end`,
    ]),
    ['outbox', `${figures.mostOutboxRows} rows at most, none at the end`],
    ['holds', `${figures.mostPendingHolds} pending at most`],
    [
      'PostgreSQL',
      `${mebibytes(figures.databaseBytesPerMillion)} MiB per million changes, with indexes and settlings`,
    ],
    [
      'broker',
      `${mebibytes(figures.eventBytesPerMillion)} MiB of facts per million changes, up to 1 GiB and 7 days`,
    ],
    ['', `${mebibytes(figures.mostHoldsStreamBytes)} MiB of due seconds at most`],
    books,
  ]);
}
