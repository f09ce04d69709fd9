import { progress, say } from '../deploy/local/progress.ts';
import { auditFindings, countChanges, untilOutboxIsEmpty } from './books.ts';
import { cpuOf } from './measure.ts';
import { hasGrown, medianMiB, MemoryWatch } from './memory.ts';
import { openAccounts } from './open-accounts.ts';
import { conclude } from './conclude.ts';
import { writeResultFile } from './result-file.ts';
import { bookedProblems, bookedRow, runSteadyLoad, surprisesOf } from './run-steady-load.ts';
import { durabilityProblems, type BenchStack } from './stack.ts';
import { namedRows, type NamedRow } from './tables.ts';
import type { Phase, PhaseResult } from './load-order.ts';

/** Four times the best rate. */
const overloadTimes = 4;
/** Where callers wait for answers, more connections than this bring nothing more. */
const bestConnections = [64, 128, 256, 512];
/**
 * Callers at once; each waits for its answer before it sends again. Four times as many as a gateway takes on: a
 * generator on the machine that it loads does not get four times the rate through to it otherwise.
 */
const mostConnections = 4_096;
/** Before and after the overload, an ordinary load is offered. */
const ordinaryShare = 0.5;
const ordinarySeconds = 5;

/** What is wanted; a figure that misses is told, and fails the run. */
const wanted = { goodput: 0.8, p99Ms: 1_000, backMs: 2_000 };

/**
 * `npm run bench -- --overload`: finds the best rate, offers four times that for some seconds, and says what came of
 * it. Resolves with the exit code: 1 when the run is void or misses what is wanted.
 */
export async function measureOverload(
  root: string,
  stack: BenchStack,
  plan: { accounts: number; seconds: number },
): Promise<number> {
  const memory = new MemoryWatch(stack.pids);
  try {
    return await run(root, plan, stack, memory);
  } finally {
    memory.stop();
  }
}

interface Figures {
  readonly bestPerSecond: number;
  readonly overload: PhaseResult;
  readonly goodput: number;
  readonly backMs: number;
  readonly memory: Readonly<Record<string, MemoryCourse>>;
  readonly cpuShares: Readonly<Record<string, number>>;
}

/** Medians, in MiB. */
interface MemoryCourse {
  readonly before: number;
  readonly early: number;
  readonly late: number;
  readonly after: number;
}

async function run(
  root: string,
  plan: { accounts: number; seconds: number },
  stack: BenchStack,
  memory: MemoryWatch,
): Promise<number> {
  const { accounts } = plan;
  await openAccounts(stack.nats, accounts, progress('opening accounts', accounts));
  const load = (phases: readonly Phase[]) =>
    runSteadyLoad(root, { url: stack.url, connections: mostConnections, phases, accounts, mixed: false });
  const changesBefore = await countChanges(stack.database);

  say('looking for the best rate');
  const seconds = Math.max(1, Math.min(8, plan.seconds / 4));
  const warmUp: Phase = { seconds, connections: 64 };
  const found = await load([warmUp, ...bestConnections.map((connections) => ({ seconds, connections }))]);
  const bestPerSecond = Math.max(...found.phases.slice(1).map(({ applied }) => applied / seconds));

  say(`offering ${overloadTimes} times ${bestPerSecond.toFixed(0)}/s for ${plan.seconds} s`);
  const before = memory.now();
  memory.taken();
  const cpuBefore = cpuOf(stack);
  const began = performance.now();
  const ordinary = { seconds: ordinarySeconds, perSecond: bestPerSecond * ordinaryShare };
  const loaded = await load([
    ordinary,
    { seconds: plan.seconds, perSecond: bestPerSecond * overloadTimes },
    ordinary,
  ]);
  const tookSeconds = (performance.now() - began) / 1_000;
  const cpuAfter = cpuOf(stack);
  const looks = memory.taken();
  const after = memory.now();
  const [, overload, afterwards] = loaded.phases;
  if (overload === undefined || afterwards === undefined) throw new Error('the generator left a phase out');

  const during = looks.slice(ordinarySeconds, ordinarySeconds + Math.floor(plan.seconds));
  const early = during.slice(0, Math.ceil(during.length / 2));
  const late = during.slice(Math.ceil(during.length / 2));
  const figures: Figures = {
    bestPerSecond,
    overload,
    goodput: overload.applied / plan.seconds / bestPerSecond,
    backMs: afterwards.lastTroubleMs,
    memory: Object.fromEntries(
      Object.keys(stack.pids).map((name) => [
        name,
        {
          before: before[name] ?? 0,
          early: medianMiB(early, name),
          late: medianMiB(late, name),
          after: after[name] ?? 0,
        },
      ]),
    ),
    cpuShares: Object.fromEntries([
      ...Object.keys(stack.pids).map((name) => [
        name,
        ((cpuAfter[name] ?? 0) - (cpuBefore[name] ?? 0)) / tookSeconds,
      ]),
      ['generator', loaded.cpuSeconds / tookSeconds],
    ]) as Record<string, number>,
  };

  await untilOutboxIsEmpty(stack.database);
  const phases = [...found.phases, ...loaded.phases];
  const booked = (await countChanges(stack.database)) - changesBefore;
  const problems = [
    ...(await durabilityProblems(stack)),
    ...phases.flatMap(surprisesOf),
    ...bookedProblems(phases, booked),
    ...(await auditFindings(stack)),
  ];
  const missed = missedBy(figures);
  process.stdout.write(tableOf(figures, plan.seconds, bookedRow(phases, booked)));
  await writeResultFile(root, '-overload', stack.natsVersion, {
    plan,
    problems,
    missed,
    figures,
    found,
    loaded,
  });
  return conclude(problems, missed);
}

function missedBy({ goodput, overload, backMs, memory }: Figures): string[] {
  const grown = Object.entries(memory).flatMap(([name, { early, late }]) =>
    hasGrown(early, late)
      ? [`the ${name} grew from ${early} MiB to ${late} MiB while the load stayed the same`]
      : [],
  );
  return [
    ...(goodput >= wanted.goodput ? [] : [`goodput is under ${wanted.goodput * 100} % of the best`]),
    ...(overload.ok.p99Ms < wanted.p99Ms ? [] : [`what is accepted takes over ${wanted.p99Ms} ms (p99)`]),
    ...(backMs < wanted.backMs ? [] : [`it is not back to normal within ${wanted.backMs} ms`]),
    ...grown,
  ];
}

function tableOf(figures: Figures, seconds: number, books: NamedRow): string {
  const { bestPerSecond, overload, goodput, backMs, memory, cpuShares } = figures;
  const { applied, refused, notSent, ok, refusal } = overload;
  const rate = (count: number): string => `${(count / seconds).toFixed(0)}/s`;
  return namedRows([
    ['best', `${bestPerSecond.toFixed(0)}/s, each connection sending when it has its answer`],
    ['offered', `${(bestPerSecond * overloadTimes).toFixed(0)}/s for ${seconds} s, answers or not`],
    ['', `${rate(notSent)} of them not sent: all ${mostConnections} connections waited for an answer`],
    ['accepted', `${rate(applied)}, ${(goodput * 100).toFixed(0)} % of the best`],
    ['', `p50 ${ok.p50Ms} ms, p99 ${ok.p99Ms} ms, at most ${ok.maxMs} ms`],
    ['refused', `${rate(refused)} with 503 overloaded`],
    ['', `p50 ${refusal.p50Ms} ms, p99 ${refusal.p99Ms} ms, at most ${refusal.maxMs} ms`],
    ['normal again', `${backMs.toFixed(0)} ms after the overload: none refused, none over 250 ms`],
    ...Object.entries(memory).map(([name, { before, early, late, after }]): NamedRow => [
      `MiB ${name}`,
      `${before} before, ${early} and ${late} in its halves, ${after} after`,
    ]),
    [
      'processors',
      Object.entries(cpuShares)
        .map(([name, share]) => `${name} ${share.toFixed(2)}`)
        .join(', '),
    ],
    books,
  ]);
}
