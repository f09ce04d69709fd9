import { progress, say } from '../deploy/local/progress.ts';
import { conclude } from './conclude.ts';
import { BookFiller } from './fill-books.ts';
import { findProblems } from './find-problems.ts';
import { verdictsOf } from './goals.ts';
import { measureHttp, memoryOf } from './measure.ts';
import type { Options } from './options.ts';
import { machineFacts, writeResultFile } from './result-file.ts';
import { names, type Sample } from './sample.ts';
import type { BenchStack } from './stack.ts';
import { memoryTable, samplesTable, verdictsTable } from './tables.ts';
import { writePage } from './page.ts';

/** What the growing books are compared with. */
const smallAccounts = 10_000;
const connections = [64, 256] as const;

/** Books that were filled, and what was measured on them. */
interface Filling {
  readonly stack: BenchStack;
  readonly filler: BookFiller;
  readonly samples: Sample[];
}

/**
 * Throughput with more accounts and entries: two stacks, of which the small one stays as it is, are loaded in turn.
 * Resolves with the exit code.
 */
export async function measureGrowth(
  root: string,
  stacks: { small: BenchStack; grown: BenchStack },
  options: Options,
): Promise<number> {
  const small = fillingOf(stacks.small);
  const grown = fillingOf(stacks.grown);
  const took: Record<string, number> = {};
  try {
    const atRest = memoryOf(grown.stack);
    await fillTo(small, smallAccounts);
    await warmUp(root, small, options);
    for (const [index, size] of options.sizes.entries()) {
      await timed(took, `growing to ${size} accounts`, () => fillTo(grown, size));
      await timed(took, `start of the ledger with ${size} accounts`, () => restartLedger(grown));
      await warmUp(root, grown, options);
      await measureBoth(root, small, grown, options, (count) => names.size(size, count));
      if (index > 0) continue;
      const { entries } = options;
      await timed(took, `${entries} more entries`, () =>
        grown.filler.liveHolds(entries, progress('placing and settling holds', entries)),
      );
      await measureBoth(root, small, grown, options, (count) => names.aged(size, entries, count));
    }
    return await report(root, { small, grown, took, atRest }, options);
  } finally {
    for (const { filler } of [small, grown]) await filler.close();
  }
}

function fillingOf(stack: BenchStack): Filling {
  const filler = new BookFiller(stack.address);
  return { stack, filler, samples: [] };
}

async function fillTo({ filler }: Filling, accounts: number): Promise<void> {
  await filler.openAccounts(accounts, progress(`growing to ${accounts} accounts`, accounts));
}

/** Code that has run for a while is compiled, and the ledger's session with PostgreSQL has touched the pages in use. */
async function warmUp(
  root: string,
  { stack, filler, samples }: Filling,
  { warmUpSeconds }: Options,
): Promise<void> {
  const order = { connections: 64, seconds: warmUpSeconds, accounts: filler.filled.accounts };
  samples.push(await measureHttp({ root, stack }, 'warm-up', 0, { ...order, mix: { substract: 100 } }));
}

async function measureBoth(
  root: string,
  small: Filling,
  grown: Filling,
  { rounds, seconds }: Options,
  nameOf: (connections: number) => string,
): Promise<void> {
  // Numbered on, so that each round has one measurement of the small books and one of the grown.
  const done = (small.samples.length - 1) / connections.length;
  const show = progress('measuring', rounds * connections.length);
  for (let round = 1; round <= rounds; round += 1) {
    for (const [index, count] of connections.entries()) {
      const one = async (filling: Filling, name: string): Promise<void> => {
        const order = { connections: count, seconds, accounts: filling.filler.filled.accounts };
        const bench = { root, stack: filling.stack };
        filling.samples.push(
          await measureHttp(bench, name, done + round, { ...order, mix: { substract: 100 } }),
        );
      };
      const both = [() => one(small, names.size(smallAccounts, count)), () => one(grown, nameOf(count))];
      // Who comes second finds the machine warmer, so the order changes.
      for (const measure of round % 2 === 0 ? both : both.toReversed()) await measure();
      show((round - 1) * connections.length + index + 1);
    }
  }
}

async function restartLedger({ stack }: Filling): Promise<void> {
  await stack.stopService('ledger');
  await stack.startService('ledger');
}

async function timed(took: Record<string, number>, what: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now();
  await work();
  took[what] = performance.now() - began;
  say(`${what}: ${(took[what] / 1000).toFixed(0)} s`);
}

async function report(
  root: string,
  {
    small,
    grown,
    took,
    atRest,
  }: { small: Filling; grown: Filling; took: object; atRest: Record<string, number> },
  options: Options,
): Promise<number> {
  const problems: string[] = [];
  for (const { stack, samples, filler } of [small, grown])
    problems.push(...(await findProblems(stack, samples, filler.filled)));
  const samples = [...small.samples, ...grown.samples].filter(({ round }) => round > 0);
  const verdicts = verdictsOf(samples);
  const { startMs, natsVersion } = grown.stack;
  process.stdout.write(`\n${samplesTable(samples)}\n`);
  process.stdout.write(`\n${memoryTable(atRest, grown.samples, startMs)}\n`);
  process.stdout.write(`\n${verdictsTable(verdicts)}\n`);
  const result = { options, problems, verdicts, startMs, tookMs: took, memoryAtRestMiB: atRest, samples };
  const file = await writeResultFile(root, '-growth', natsVersion, result);
  say(`and drawn in ${await writePage(file, { ...result, machine: machineFacts(natsVersion) })}`);
  return conclude(problems);
}
