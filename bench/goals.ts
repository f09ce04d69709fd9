import { isSettling, medianOf, names, type Sample } from './sample.ts';

/** A figure that we hold ourselves to. */
export interface Goal {
  readonly what: string;
  readonly floor: number;
  readonly goal: number;
  readonly moreIsBetter: boolean;
  readonly unit: '' | ' ms' | ' s' | ' bytes';
  /** In one round; undefined when a part of it was not measured. */
  readonly figure: (round: Round) => number | undefined;
}

/** A goal and how it was met. */
export interface Verdict extends Omit<Goal, 'figure'> {
  /** The median of the rounds' figures. */
  readonly measured: number;
  readonly lowest: number;
  readonly highest: number;
}

/** The samples of one round by their name. */
type Round = ReadonlyMap<string, Sample>;

const rate = (round: Round, name: string) => round.get(name)?.perSecond;
const ratio = (over: number | undefined, under: number | undefined) =>
  over === undefined || under === undefined ? undefined : over / under;

const better = { moreIsBetter: true, unit: '' } as const;

/** Settling is compared at whatever number of holds was settled. */
const settling = (round: Round, where: 'spread' | 'hot') =>
  [...round.values()].find(({ name }) => isSettling(name, where));

export const goals: readonly Goal[] = [
  {
    ...better,
    what: 'substract spread, 64 connections ÷ pgbench TPC-B, 64 clients',
    floor: 2.5,
    goal: 4,
    figure: (round) => ratio(rate(round, names.spread(64)), rate(round, names.tpcb(64))),
  },
  {
    ...better,
    what: 'the same at 256 connections',
    floor: 4,
    goal: 6,
    figure: (round) => ratio(rate(round, names.spread(256)), rate(round, names.tpcb(64))),
  },
  {
    ...better,
    what: 'one hot account ÷ spread, 256 connections',
    floor: 1,
    goal: 1.2,
    figure: (round) => ratio(rate(round, names.hot(256)), rate(round, names.spread(256))),
  },
  {
    what: 'one connection: p50 ÷ mean latency of pgbench TPC-B, 1 client',
    floor: 2,
    goal: 1.4,
    moreIsBetter: false,
    unit: '',
    figure: (round) => ratio(round.get(names.spread(1))?.latency?.p50Ms, round.get(names.tpcb(1))?.meanMs),
  },
  {
    what: 'p99 at half of the best rate, open loop',
    floor: 15,
    goal: 8,
    moreIsBetter: false,
    unit: ' ms',
    figure: (round) => round.get(names.openLoop(50))?.latency?.p99Ms,
  },
  {
    ...better,
    what: 'NATS arrays of 256: commands/s ÷ pgbench TPC-B',
    floor: 8,
    goal: 15,
    figure: (round) => ratio(rate(round, names.nats(256)), rate(round, names.tpcb(64))),
  },
  {
    ...better,
    what: 'settling spread: holds/s ÷ pgbench TPC-B',
    floor: 6,
    goal: 10,
    figure: (round) => ratio(settling(round, 'spread')?.perSecond, rate(round, names.tpcb(64))),
  },
  {
    ...better,
    what: 'settling hot: holds/s ÷ pgbench TPC-B',
    floor: 12,
    goal: 20,
    figure: (round) => ratio(settling(round, 'hot')?.perSecond, rate(round, names.tpcb(64))),
  },
  {
    what: 'settle lag p99 with 1,000,000 open holds, half load',
    floor: 1.5,
    goal: 1,
    moreIsBetter: false,
    unit: ' s',
    figure: (round) => ratio(round.get(names.lag(1_000_000))?.latency?.p99Ms, 1000),
  },
  {
    ...better,
    what: '10 million accounts ÷ 10,000 accounts, 64 connections',
    floor: 0.8,
    goal: 0.95,
    figure: (round) => ratio(rate(round, names.size(10_000_000, 64)), rate(round, names.size(10_000, 64))),
  },
  {
    ...better,
    what: 'the same at 256 connections',
    floor: 0.8,
    goal: 0.95,
    figure: (round) => ratio(rate(round, names.size(10_000_000, 256)), rate(round, names.size(10_000, 256))),
  },
  {
    what: "bytes in Postgres per hold's whole life",
    floor: 1200,
    goal: 700,
    moreIsBetter: false,
    unit: ' bytes',
    figure: (round) => settling(round, 'spread')?.bytesPerHold,
  },
];

/** Each goal whose parts were measured: per round, for a ratio's two parts shall share the machine's mood. */
export function verdictsOf(samples: readonly Sample[]): Verdict[] {
  const rounds = [...new Set(samples.map(({ round }) => round))].map(
    (round) =>
      new Map(samples.filter((sample) => sample.round === round).map((sample) => [sample.name, sample])),
  );
  return goals.flatMap(({ figure, ...goal }) => {
    const figures = rounds.flatMap((samplesOfRound) => figure(samplesOfRound) ?? []);
    if (figures.length === 0) return [];
    const measured = medianOf(figures);
    return [{ ...goal, measured, lowest: Math.min(...figures), highest: Math.max(...figures) }];
  });
}

/** How a measured figure stands to its floor and goal. */
export function standingOf({ measured, floor, goal, moreIsBetter }: Verdict): 'goal' | 'floor' | 'below' {
  const reaches = (bound: number) => (moreIsBetter ? measured >= bound : measured <= bound);
  return reaches(goal) ? 'goal' : reaches(floor) ? 'floor' : 'below';
}
