import { progress, say } from '../deploy/local/progress.ts';
import { readResult, tellChanges } from './compare.ts';
import { conclude } from './conclude.ts';
import { BookFiller } from './fill-books.ts';
import { findProblems } from './find-problems.ts';
import { verdictsOf } from './goals.ts';
import { cellsOf, type Cell } from './loads.ts';
import { measureHttp, memoryOf, type Bench } from './measure.ts';
import { openAccounts } from './open-accounts.ts';
import type { Options } from './options.ts';
import { findPgbench, preparePeers } from './peers.ts';
import { writePage } from './page.ts';
import { machineFacts, writeResultFile } from './result-file.ts';
import { names, type Sample } from './sample.ts';
import { measureLag, placeOpenHolds, shortenHoldPeriod } from './settling.ts';
import { memoryTable, samplesTable, verdictsTable } from './tables.ts';

/** The standard run: everything once a round, then the settle lag, then the books. Resolves with the exit code. */
export async function measureStandard(bench: Bench, options: Options): Promise<number> {
  const { root, stack } = bench;
  const earlier = options.compareWith === undefined ? undefined : await readResult(options.compareWith);
  const atRest = memoryOf(stack);
  const { accounts } = options;
  await openAccounts(stack.nats, accounts, progress('opening accounts', accounts));
  const filler = new BookFiller(stack.address);
  const pgbench = await findPgbench(say);
  const samples: Sample[] = [];
  try {
    const peers = pgbench === undefined ? [] : await preparePeers(bench, pgbench, options);
    say('warming up');
    const warmUp = await measureHttp(bench, 'warm-up', 0, {
      connections: 64,
      seconds: options.warmUpSeconds,
      accounts,
      mix: { substract: 100 },
    });
    samples.push(warmUp);
    await measureRounds(chosen([...peers, ...cellsOf(bench, filler, options)], options), options, samples);
    await measureLags(bench, filler, options, samples);
  } finally {
    await filler.close();
  }
  const problems = await findProblems(stack, samples, { ...filler.filled, accounts });
  const measured = samples.filter(({ round }) => round > 0);
  const verdicts = verdictsOf(measured);
  process.stdout.write(`\n${samplesTable(measured)}\n`);
  process.stdout.write(`\n${memoryTable(atRest, measured, stack.startMs)}\n`);
  process.stdout.write(`\n${verdictsTable(verdicts)}\n`);
  const machine = machineFacts(stack.natsVersion);
  const result = {
    options,
    problems,
    verdicts,
    startMs: stack.startMs,
    memoryAtRestMiB: atRest,
    samples: measured,
  };
  const file = await writeResultFile(root, '', stack.natsVersion, result);
  say(`and drawn in ${await writePage(file, { ...result, machine })}`);
  if (earlier !== undefined) process.stdout.write(`\n${tellChanges(earlier, measured)}\n`);
  return conclude(problems);
}

/** Rounds, not repetitions in a row: the machine's mood shall fall on all alike. */
async function measureRounds(cells: readonly Cell[], options: Options, samples: Sample[]): Promise<void> {
  const show = progress('measuring', options.rounds * cells.length);
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const [index, cell] of cells.entries()) {
      samples.push(...(await cell.measure(round, samples)));
      show((round - 1) * cells.length + index + 1);
    }
  }
}

/** Last, for the ledger is started anew with a short hold period, and the open holds stay. */
async function measureLags(
  bench: Bench,
  filler: BookFiller,
  options: Options,
  samples: Sample[],
): Promise<void> {
  const { accounts, seconds, rounds } = options;
  const wanted = options.openHolds.filter((open) => chosen([{ name: names.lag(open) }], options).length > 0);
  if (wanted.length === 0) return;
  await shortenHoldPeriod(bench);
  const half =
    Math.max(...samples.filter(({ name }) => isClosedLoop(name)).map(({ perSecond }) => perSecond)) / 2;
  let placed = 0;
  for (const open of wanted.toSorted((left, right) => left - right)) {
    const more = { count: open - placed, accounts };
    await placeOpenHolds(filler, more, progress('placing open holds', more.count));
    placed = open;
    const show = progress(names.lag(open), rounds);
    for (let round = 1; round <= rounds; round += 1) {
      const plan = { name: names.lag(open), round, accounts, seconds: seconds * 2, perSecond: half };
      samples.push(await measureLag(bench, plan));
      show(round);
    }
  }
}

function isClosedLoop(name: string): boolean {
  return name === 'warm-up' || /^substract spread, \d+ connections?$/.test(name);
}

function chosen<T extends { readonly name: string }>(all: readonly T[], { only }: Options): T[] {
  return all.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
}
