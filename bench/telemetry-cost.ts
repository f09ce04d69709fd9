import { progress } from '../deploy/local/progress.ts';
import { conclude } from './conclude.ts';
import { findProblems } from './find-problems.ts';
import { measureHttp } from './measure.ts';
import { openAccounts } from './open-accounts.ts';
import { medianOf, names, type Sample } from './sample.ts';
import type { Options } from './options.ts';
import type { BenchStack } from './stack.ts';

interface Pair {
  readonly connections: number;
  readonly off: Sample;
  readonly on: Sample;
}

/**
 * What telemetry costs: a stack with metrics (asked for every 5 s) and one request in a hundred traced, and one without
 * either, are loaded in turn, and compared pair by pair. Resolves with the exit code.
 */
export async function measureTelemetryCost(
  root: string,
  stacks: { off: BenchStack; on: BenchStack },
  plan: Pick<Options, 'accounts' | 'connections' | 'seconds' | 'warmUpSeconds' | 'rounds'>,
): Promise<number> {
  const { accounts, seconds, rounds } = plan;
  const { off, on } = stacks;
  const samples = new Map<BenchStack, Sample[]>([
    [off, []],
    [on, []],
  ]);
  const one = async (
    stack: BenchStack,
    connections: number,
    round: number,
    forSeconds = seconds,
  ): Promise<Sample> => {
    const order = { connections, seconds: forSeconds, accounts, mix: { substract: 100 } };
    const sample = await measureHttp({ root, stack }, names.spread(connections), round, order);
    samples.get(stack)?.push(sample);
    return sample;
  };
  for (const stack of samples.keys()) {
    await openAccounts(stack.nats, accounts, progress('opening accounts', accounts));
    // What one request in a hundred needs is compiled after some thousand of them only.
    await one(stack, 64, 0, plan.warmUpSeconds);
  }
  const pairs: Pair[] = [];
  const show = progress('measuring', rounds * plan.connections.length);
  for (let round = 1; round <= rounds; round += 1) {
    for (const connections of plan.connections) {
      // Who comes second finds the machine warmer, so the order changes.
      const isOffFirst = round % 2 === 1;
      const early = await one(isOffFirst ? off : on, connections, round);
      const late = await one(isOffFirst ? on : off, connections, round);
      pairs.push({ connections, off: isOffFirst ? early : late, on: isOffFirst ? late : early });
      show(pairs.length);
    }
  }
  const problems: string[] = [];
  for (const [stack, taken] of samples)
    problems.push(...(await findProblems(stack, taken, { accounts, holds: 0, settled: 0 })));
  process.stdout.write(tableOf(plan.connections, pairs));
  return conclude(problems);
}

/** The services' own time, for what telemetry adds is theirs. */
function servicesMicros({ cpuMicros }: Sample): number {
  return ['gateway', 'ledger', 'settler'].reduce((sum, name) => sum + (cpuMicros?.[name] ?? 0), 0);
}

function tableOf(connections: readonly number[], pairs: readonly Pair[]): string {
  const lines = connections.map((count) => {
    const these = pairs.filter((pair) => pair.connections === count);
    const figure = (of: (pair: Pair) => number, digits: number) => medianOf(these.map(of)).toFixed(digits);
    return [
      `${count} connections:`,
      `${figure(({ off }) => off.perSecond, 0)} req/s without, ${figure(({ on }) => on.perSecond, 0)} with;`,
      `ratio ${figure(({ on, off }) => on.perSecond / off.perSecond, 3)};`,
      `µs of the services per request ${figure(({ off }) => servicesMicros(off), 0)} and`,
      `${figure(({ on }) => servicesMicros(on), 0)}, ratio ${figure(({ on, off }) => servicesMicros(on) / servicesMicros(off), 3)}`,
    ].join(' ');
  });
  return `\nMedians of ${pairs.length / connections.length} pairs.\n${lines.join('\n')}\n`;
}
