import type { BookFiller } from './fill-books.ts';
import type { HttpOrder, RequestKind } from './load-order.ts';
import { measureHttp, measureNats, type Bench } from './measure.ts';
import type { Options } from './options.ts';
import { names, type Sample } from './sample.ts';
import { measureSettling, measureSettlingUnderLoad, openLoopConnections } from './settling.ts';

/** One thing that every round measures. */
export interface Cell {
  readonly name: string;
  /** `before` is all that was measured before, in this round and earlier ones. */
  readonly measure: (round: number, before: readonly Sample[]) => Promise<Sample[]>;
}

/** By the size of the arrays: messages under way, so many that the ledger never waits for the generator. */
const natsMessages = new Map([
  [1, 64],
  [16, 32],
  [256, 8],
]);

const openLoopPercents = { all: [25, 50, 75], quick: [50], smoke: [50] } as const;
const natsArrays = { all: [1, 16, 256], quick: [256], smoke: [16] } as const;
const addConnections = { all: [64, 256], quick: [], smoke: [8] } as const;

const only = (kind: RequestKind) => ({ [kind]: 100 });

/** The loads on Holdfast, in the order of a round. */
export function cellsOf(bench: Bench, filler: BookFiller, options: Options): Cell[] {
  const { accounts, connections, extent, seconds, holds } = options;
  const http = (name: string, order: Omit<HttpOrder, 'url' | 'seconds'>): Cell => ({
    name,
    measure: async (round) => [await measureHttp(bench, name, round, { ...order, seconds })],
  });
  const most = Math.max(...connections);
  return [
    ...connections.map((count) =>
      http(names.ping(count), { connections: count, accounts, mix: only('ping') }),
    ),
    ...connections.flatMap((count) => [
      http(names.spread(count), { connections: count, accounts, mix: only('substract') }),
      http(names.hot(count), { connections: count, accounts: 1, mix: only('substract') }),
    ]),
    ...addConnections[extent].flatMap((count) => [
      http(names.add(count), { connections: count, accounts, mix: only('add') }),
      http(names.mixed(count), {
        connections: count,
        accounts,
        mix: { substract: 70, add: 20, status: 10 },
      }),
    ]),
    ...openLoopPercents[extent].map((percent) => openLoop(bench, options, percent, most)),
    ...natsArrays[extent].map((arrayOf): Cell => {
      const order = { seconds, accounts, arrayOf, messages: natsMessages.get(arrayOf) ?? 8 };
      const name = names.nats(arrayOf);
      return { name, measure: async (round) => [await measureNats(bench, name, round, order)] };
    }),
    ...(['spread', 'hot'] as const).map((where): Cell => {
      const name = names.settle(where, holds);
      const plan = { name, holds, accounts: where === 'hot' ? 1 : accounts };
      return { name, measure: async (round) => [await measureSettling(bench, filler, { ...plan, round })] };
    }),
    {
      name: names.settleUnderLoad(holds),
      measure: (round) => {
        const plan = { round, holds, accounts, seconds, connections: Math.min(64, most) };
        return measureSettlingUnderLoad(bench, filler, plan);
      },
    },
  ];
}

/** At a share of the best rate that this round, or the warm-up, has seen with so many connections. */
function openLoop(bench: Bench, options: Options, percent: number, connections: number): Cell {
  const name = names.openLoop(percent);
  const { accounts, seconds } = options;
  return {
    name,
    measure: async (round, before) => {
      const ofRound = before.filter(
        (sample) => sample.round === round && sample.name === names.spread(connections),
      );
      const best = (ofRound.length > 0 ? ofRound : before.slice(0, 1)).map(({ perSecond }) => perSecond);
      const perSecond = Math.max(...best) * (percent / 100);
      const order = {
        connections: openLoopConnections,
        accounts,
        seconds,
        perSecond,
        mix: { substract: 100 },
      };
      return [await measureHttp(bench, name, round, order)];
    },
  };
}
