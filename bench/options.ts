import { parseArgs } from 'node:util';
import { messageOf } from '../shared/telemetry/describe-error.ts';

const usage = `npm run bench -- [options]
  --accounts N         accounts to spread over (100000)
  --connections LIST   connections of the closed loops (1,16,64,256)
  --seconds N          seconds of each measurement (3)
  --warm-up N          seconds of load before anything is measured (30): code that has just started is slower
  --rounds N           rounds, each measures everything once; figures are medians over them (5)
  --holds N            holds that are settled in a measurement (100000); a million takes four minutes a round
  --open-holds LIST    how many holds lie open while the settle lag is measured (100000,1000000)
  --only TEXT          only what has this in its name, such as pgbench, substract, settl; may be given several times
  --quick              20,000 accounts and holds, 1 round, the most important figures: under two minutes
  --smoke              that it works, nothing more: a few seconds
  --compare FILE       afterwards, what is different from that run of bench/results beyond noise
  --cpu-prof DIR       write CPU profiles of the services there

Instead of all that:
  --growth             throughput with more accounts and entries: --sizes LIST (1000000,10000000) against 10,000
  --telemetry-cost     what metrics and traces of one request in a hundred cost: two stacks in turn
  --overload           four times what it can do, for --seconds N (60): what is accepted, refused, how fast
  --soak               a steady mixed load for --minutes N (30) at half the best rate, or at --rate N per second
  --audit              how fast npm run audit is: on 10,000 accounts with --entries N (1000000)`;

export type Mode = 'standard' | (typeof modes)[number];

export interface Options {
  readonly mode: Mode;
  readonly accounts: number;
  readonly connections: readonly number[];
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly rounds: number;
  readonly holds: number;
  readonly openHolds: readonly number[];
  /** The standard loads, or those without which there would be nothing to see. */
  readonly extent: 'all' | 'quick' | 'smoke';
  /** What is measured has one of these in its name; empty is everything. */
  readonly only: readonly string[];
  /** Accounts to grow to, rising. */
  readonly sizes: readonly number[];
  /** Entries to grow to, or to audit. */
  readonly entries: number;
  /** Of the soak. */
  readonly minutes: number;
  /** Requests per second of the soak; without it half of the best there is. */
  readonly rate: number | undefined;
  readonly compareWith: string | undefined;
  readonly profileDir: string | undefined;
}

const modes = ['growth', 'telemetry-cost', 'overload', 'soak', 'audit'] as const;

const defaults = {
  all: {
    accounts: '100000',
    connections: '1,16,64,256',
    seconds: '3',
    'warm-up': '30',
    rounds: '5',
    holds: '100000',
    'open-holds': '100000,1000000',
  },
  quick: {
    accounts: '20000',
    connections: '1,64,256',
    seconds: '2',
    'warm-up': '10',
    rounds: '1',
    holds: '20000',
    // The lag takes half a minute; its goal is for a million of them.
    'open-holds': '',
  },
  smoke: {
    accounts: '500',
    connections: '8',
    seconds: '1',
    'warm-up': '1',
    rounds: '1',
    holds: '1000',
    'open-holds': '1000',
  },
} as const;

/** What the command line asks for; undefined after having told what is wrong with it. */
export function readOptions(args: readonly string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        accounts: { type: 'string' },
        connections: { type: 'string' },
        seconds: { type: 'string' },
        'warm-up': { type: 'string' },
        rounds: { type: 'string' },
        holds: { type: 'string' },
        'open-holds': { type: 'string' },
        only: { type: 'string', multiple: true, default: [] },
        sizes: { type: 'string', default: '1000000,10000000' },
        entries: { type: 'string' },
        quick: { type: 'boolean', default: false },
        smoke: { type: 'boolean', default: false },
        growth: { type: 'boolean', default: false },
        'telemetry-cost': { type: 'boolean', default: false },
        overload: { type: 'boolean', default: false },
        soak: { type: 'boolean', default: false },
        minutes: { type: 'string', default: '30' },
        rate: { type: 'string' },
        audit: { type: 'boolean', default: false },
        compare: { type: 'string' },
        'cpu-prof': { type: 'string' },
      },
    });
    const extent = values.smoke ? 'smoke' : values.quick ? 'quick' : 'all';
    const [mode = 'standard', ...more] = modes.filter((each) => values[each]);
    if (more.length > 0)
      throw new Error(`--${mode} and --${more.join(', --')} are runs of their own: one at a time`);
    const ownDefaults = mode === 'overload' || mode === 'soak' ? { accounts: '20000', seconds: '60' } : {};
    const text = { ...defaults[extent], ...ownDefaults, ...withoutUndefined(values) };
    return {
      mode,
      accounts: readNumber('accounts', text.accounts),
      connections: readNumbers('connections', text.connections),
      seconds: readNumber('seconds', text.seconds),
      warmUpSeconds: readNumber('warm-up', text['warm-up']),
      rounds: readNumber('rounds', text.rounds),
      holds: readNumber('holds', text.holds),
      openHolds: text['open-holds'] === '' ? [] : readNumbers('open-holds', text['open-holds']),
      extent,
      only: values.only,
      sizes: readNumbers('sizes', values.sizes).toSorted((left, right) => left - right),
      entries: readNumber('entries', values.entries ?? (mode === 'audit' ? '1000000' : '10000000')),
      minutes: readNumber('minutes', values.minutes),
      rate: values.rate === undefined ? undefined : readNumber('rate', values.rate),
      compareWith: values.compare,
      profileDir: values['cpu-prof'],
    };
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n\n${usage}\n`);
    return undefined;
  }
}

function withoutUndefined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function readNumbers(option: string, text: string): number[] {
  return text.split(',').map((each) => readNumber(option, each));
}

function readNumber(option: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`--${option} must be a whole number from 1 on`);
  return number;
}
