import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { untilAtRest } from '../at-rest.ts';
import { readBooks } from '../check/books.ts';
import { check } from '../check/check.ts';
import { auditProblems } from '../audit.ts';
import { connectToNats, Evidence } from '../evidence.ts';
import { History } from '../history.ts';
import { ChaosStack, Servers } from '../stack/chaos-stack.ts';
import { buildMutant } from './build-mutant.ts';
import { clearStreams, Ground } from './ground.ts';
import { mutants, type Mutant } from './mutant.ts';
import type { Scenario } from './scenarios.ts';

/** Under a second, rounded up to the next: as short as holds get. */
const holdPeriodMinutes = 0.01;
/** A relay takes what a crash left after 5 s. */
const restMs = 8_000;
/** Far longer than any scenario takes, and than code as it is takes to come to rest. */
const playMs = 60_000;
/** What a scenario may take, books and audit included; a slow machine takes longer, which is said and fails nothing. */
const mostPlayedMs = 10_000;
/** Two at a time: most of it is waiting. */
const workers = 2;

interface Task {
  readonly scenario: Scenario;
  /** Without one the code is as it is, and nothing may be found. */
  readonly mutant: Mutant | undefined;
}

const tasks: readonly Task[] = [
  ...[...new Set(mutants.map(({ scenario }) => scenario))].map((scenario) => ({
    scenario,
    mutant: undefined,
  })),
  ...mutants.map((mutant) => ({ scenario: mutant.scenario, mutant })),
];

/** The mutants, and the scenarios that are played without any. */
export const taskNames: readonly string[] = tasks.map(nameOf);

export interface MutantsOptions {
  readonly root: string;
  readonly folder: string;
  /** Only those whose names hold this text. */
  readonly only: string;
  readonly say: (line: string) => void;
}

/**
 * Plays each scenario with the code as it is, when the checker must find nothing, and with each of its mutants, when it
 * must find something. Resolves with what went otherwise.
 */
export async function runMutants({ root, folder, only, say }: MutantsOptions): Promise<string[]> {
  const wanted = tasks.filter((task) => nameOf(task).includes(only));
  const problems: string[] = [];
  const work = async (place: string): Promise<void> => {
    await mkdir(place);
    const servers = await Servers.start(place, () => undefined, false);
    try {
      for (let task = wanted.shift(); task !== undefined; task = wanted.shift()) {
        const { mutant } = task;
        const { found, playedMs } = await play(root, servers, place, task).catch((error: unknown) => {
          problems.push(`${nameOf(task)} could not be played: ${String(error)}`);
          return { found: [], playedMs: 0 };
        });
        const slow = playedMs > mostPlayedMs ? `, over ${mostPlayedMs / 1_000} s: is this machine slow?` : '';
        const seconds = (playedMs / 1_000).toFixed(1);
        const name = nameOf(task);
        const isRight = (mutant === undefined) === (found.length === 0);
        say(
          `${isRight ? '✓' : '✗'} ${name} (${seconds} s${slow})${found[0] === undefined ? '' : `: ${found[0]}`}`,
        );
        if (!isRight)
          problems.push(mutant === undefined ? `${name}: ${found.join('; ')}` : `${name} is not found out`);
      }
    } finally {
      await servers.stop();
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, index) => work(join(folder, `worker-${index}`))));
  return problems;
}

function nameOf({ scenario, mutant }: Task): string {
  return mutant === undefined ? `as it is, when ${scenario.name}` : `mutant ${mutant.name}`;
}

/** Plays a task's scenario, and gives what the checker finds, and how long that took with all processes running. */
async function play(
  root: string,
  servers: Servers,
  folder: string,
  { scenario, mutant }: Task,
): Promise<{ readonly found: string[]; readonly playedMs: number }> {
  const place = await mkdtemp(join(folder, 'play-'));
  if (mutant !== undefined) await buildMutant(root, place, mutant);
  const link = await connectToNats(servers.natsAddress.url);
  await clearStreams(link);
  const history = new History(join(place, 'history.jsonl'));
  const ended: string[] = [];
  const options = {
    root: mutant === undefined ? root : place,
    folder: place,
    gateways: 0,
    ledgers: scenario.ledgers,
    settlers: 1,
    holdPeriodMinutes,
    onOwnEnd: (text: string) => void ended.push(text),
  };
  const stack = await ChaosStack.start(servers, options, `play_${randomUUID().replaceAll('-', '')}`);
  try {
    const beganMs = performance.now();
    const ground = new Ground(stack, link, history);
    const late = delay(playMs, ['it came to no end'], { ref: false });
    const seen = (await Promise.race([scenario.play(ground), late])) ?? [];
    const books = await stack.books();
    const unrest = await untilAtRest(books, link.connection, mutant === undefined ? playMs : restMs);
    const booked = await readBooks(books);
    await books.end();
    const facts = await new Evidence(place, link.connection, servers).facts();
    const found = [
      ...seen,
      ...(unrest === undefined ? [] : [unrest]),
      ...check({ history, books: booked, facts, streamLostAtMs: -Infinity }),
      ...(await auditProblems(stack.database)),
      ...ended,
    ];
    return { found, playedMs: performance.now() - beganMs };
  } finally {
    await history.close();
    await link.drain();
    await stack.stop();
  }
}
