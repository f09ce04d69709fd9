import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { progress, say } from '../deploy/local/progress.ts';
import { measure, medianOf, writeLoads, type Measurement } from './measure.ts';
import { openAccounts } from './open-accounts.ts';
import { startBenchStack, type BenchStack } from './stack.ts';

/** Twice as often as Prometheus' usual 15 s, so that each measurement has some. */
const scrapeEveryMs = 5_000;

interface Pair {
  readonly connections: number;
  readonly off: Measurement;
  readonly on: Measurement;
}

/**
 * What telemetry costs: a stack with metrics (asked for every 5 s) and one request in a hundred traced, and one without
 * either, are loaded in turn, and compared pair by pair. Resolves with the exit code.
 */
export async function measureTelemetryCost(
  root: string,
  env: NodeJS.ProcessEnv,
  plan: { accounts: number; connections: readonly number[]; seconds: number; rounds: number },
): Promise<number> {
  const workDir = await mkdtemp(join(tmpdir(), 'holdfast bench load '));
  const start = (telemetry: boolean) => startBenchStack({ root, env, report: say, telemetry });
  const stacks = [await start(false), await start(true)] as const;
  const scraping = setInterval(() => void scrape(stacks[1]), scrapeEveryMs);
  try {
    const pairs: Pair[] = [];
    const off = await prepare(stacks[0], plan.accounts, workDir);
    const on = await prepare(stacks[1], plan.accounts, workDir);
    const show = progress('measuring', plan.rounds * plan.connections.length);
    for (let round = 0; round < plan.rounds; round += 1) {
      for (const connections of plan.connections) {
        const one = (of: Prepared) => measure(root, of.stack, of.load, connections, plan.seconds);
        // Who comes second finds the machine warmer, so the order changes.
        const first = round % 2 === 0 ? off : on;
        const measurements = [await one(first), await one(first === off ? on : off)];
        const [offOne, onOne] = first === off ? measurements : measurements.toReversed();
        if (offOne !== undefined && onOne !== undefined) pairs.push({ connections, off: offOne, on: onOne });
        show(pairs.length);
      }
    }
    process.stdout.write(tableOf(plan.connections, pairs));
    const failed = pairs.reduce((sum, pair) => sum + pair.off.failed + pair.on.failed, 0);
    if (failed > 0) process.stdout.write(`VOID: ${failed} requests failed\n`);
    return failed === 0 ? 0 : 1;
  } finally {
    clearInterval(scraping);
    for (const stack of stacks) await stack.stop();
    await rm(workDir, { recursive: true, force: true });
  }
}

interface Prepared {
  readonly stack: BenchStack;
  readonly load: Parameters<typeof measure>[2];
}

async function prepare(stack: BenchStack, accounts: number, workDir: string): Promise<Prepared> {
  const ids = await openAccounts(stack.nats, accounts, progress('opening accounts', accounts));
  const folder = await mkdtemp(join(workDir, 'load '));
  const [, load] = await writeLoads(folder, ids);
  return { stack, load };
}

async function scrape({ metricsUrls }: BenchStack): Promise<void> {
  await Promise.allSettled(metricsUrls.map(async (url) => (await fetch(url)).text()));
}

/** The services' own time, for what telemetry adds is theirs. */
function servicesMicros({ cpuMicros }: Measurement): number {
  return ['gateway', 'ledger', 'settler'].reduce((sum, name) => sum + (cpuMicros[name] ?? 0), 0);
}

function tableOf(connections: readonly number[], pairs: readonly Pair[]): string {
  const lines = connections.map((count) => {
    const these = pairs.filter((pair) => pair.connections === count);
    const figure = (of: (pair: Pair) => number, digits: number) => medianOf(these.map(of)).toFixed(digits);
    return [
      `${count} connections:`,
      `${figure(({ off }) => off.requestsPerSecond, 0)} req/s without, ${figure(({ on }) => on.requestsPerSecond, 0)} with;`,
      `ratio ${figure(({ on, off }) => on.requestsPerSecond / off.requestsPerSecond, 3)};`,
      `µs of the services per request ${figure(({ off }) => servicesMicros(off), 0)} and`,
      `${figure(({ on }) => servicesMicros(on), 0)}, ratio ${figure(({ on, off }) => servicesMicros(on) / servicesMicros(off), 3)}`,
    ].join(' ');
  });
  return `\nMedians of ${pairs.length / connections.length} pairs.\n${lines.join('\n')}\n`;
}
