import { setTimeout as delay } from 'node:timers/promises';
import { askDatabase } from '../deploy/local/with-client.ts';
import type { BookFiller } from './fill-books.ts';
import { drawnPercentiles, type Latency } from './latency.ts';
import { cpuOf, measureHttp, memoryOf, microsBetween, type Bench } from './measure.ts';
import { names, type Sample } from './sample.ts';

/** A hold falls due in a whole second: a second after it was placed all of them are due. */
const allDueMs = 1_100;
/** Each look is a connection of its own, which costs the server some milliseconds. */
const pollMs = 250;
const settleWithinMs = 600_000;

/** How long the holds of commands stay open while the lag is measured. */
const shortPeriodSeconds = 6;
/** The holds that only lie there fall due an hour from now and later, spread over ten hours. */
const farMs = 3_600_000;
const farSpreadMs = 36_000_000;

/** Places holds that are due at once while no settler runs, starts one, and waits until all are settled. */
export async function measureSettling(
  bench: Bench,
  filler: BookFiller,
  plan: { name: string; round: number; holds: number; accounts: number },
): Promise<Sample> {
  const { stack } = bench;
  const sizeBefore = await bytesOfBooks(bench);
  const since = await placeDueHolds(bench, filler, plan);
  const cpuBefore = cpuOf(stack);
  await stack.startService('settler');
  await untilNothingIsDue(bench);
  const cpu = microsBetween(cpuBefore, cpuOf(stack), plan.holds);
  return {
    name: plan.name,
    round: plan.round,
    perSecond: await settledPerSecond(bench, since, plan.holds),
    cpuMicros: cpu,
    memoryMiB: memoryOf(stack),
    bytesPerHold: ((await bytesOfBooks(bench)) - sizeBefore) / plan.holds,
  };
}

/** The same while commands come in by HTTP: the holds settled per second, and the commands. */
export async function measureSettlingUnderLoad(
  bench: Bench,
  filler: BookFiller,
  plan: { round: number; holds: number; accounts: number; connections: number; seconds: number },
): Promise<Sample[]> {
  const { stack } = bench;
  const { round, holds, accounts, connections, seconds } = plan;
  const since = await placeDueHolds(bench, filler, plan);
  const name = names.commandsUnderSettling(connections);
  const load = measureHttp(bench, name, round, { accounts, connections, seconds, mix: { substract: 100 } });
  await stack.startService('settler');
  const commands = await load;
  await untilNothingIsDue(bench);
  const perSecond = await settledPerSecond(bench, since, holds);
  return [{ name: names.settleUnderLoad(holds), round, perSecond }, commands];
}

/** Has the ledger make holds that fall due while the lag is measured. */
export async function shortenHoldPeriod({ stack }: Bench): Promise<void> {
  await stack.stopService('ledger');
  await stack.startService('ledger', { SUBSTRACT_HOLD_PERIOD: String(shortPeriodSeconds / 60) });
  // The gateway asks once a second whether a ledger serves.
  while (!(await fetch(`${stack.url}/readyz`)).ok) await delay(pollMs);
}

/** Holds that stay open all the time. */
export async function placeOpenHolds(
  filler: BookFiller,
  plan: { count: number; accounts: number },
  onProgress: (placed: number) => void,
): Promise<void> {
  const periodMs = (placed: number) => farMs + Math.floor((placed / plan.count) * farSpreadMs);
  await filler.placeHolds({ ...plan, periodMs }, onProgress);
}

/**
 * Loads at a constant rate for longer than a hold stays open, so that as many are settled as are made, and tells how much
 * later than due each was settled, by the ledger's clock.
 */
export async function measureLag(
  bench: Bench,
  plan: { name: string; round: number; accounts: number; seconds: number; perSecond: number },
): Promise<Sample> {
  const { name, round, accounts, seconds, perSecond } = plan;
  const since = await databaseNow(bench);
  const sample = await measureHttp(bench, name, round, {
    accounts,
    connections: openLoopConnections,
    seconds: seconds + shortPeriodSeconds,
    perSecond,
    mix: { substract: 100 },
  });
  const until = await databaseNow(bench);
  await delay((shortPeriodSeconds + 1) * 1000);
  await untilNothingIsDue(bench);
  const { settled, latency } = await lagBetween(bench, since, until);
  return { ...sample, perSecond: settled / seconds, latency };
}

/** More than are ever needed at once below the best rate. */
export const openLoopConnections = 512;

async function placeDueHolds(
  bench: Bench,
  filler: BookFiller,
  plan: { holds: number; accounts: number },
): Promise<string> {
  await bench.stack.stopService('settler');
  const { holds: count, accounts } = plan;
  await filler.placeHolds({ count, accounts, periodMs: () => 0 }, () => undefined);
  await delay(allDueMs);
  return databaseNow(bench);
}

/** The order keeps the look at the index: one over the whole table would take a processor from what is measured. */
async function untilNothingIsDue({ stack }: Bench): Promise<void> {
  for (const until = performance.now() + settleWithinMs; ;) {
    const due = await askDatabase(
      stack.database,
      `SELECT FROM holds WHERE status = 'pending' AND due_at <= (SELECT clock_timestamp()) ORDER BY due_at LIMIT 1`,
    );
    if (due.length === 0) return;
    if (performance.now() > until) throw new Error('the holds that are due are not settled');
    await delay(pollMs);
  }
}

/** From the first settling's time to the last one's. */
async function settledPerSecond({ stack }: Bench, since: string, holds: number): Promise<number> {
  const [row] = await askDatabase<{ settled: string; seconds: string }>(
    stack.database,
    `SELECT count(*) AS settled, extract(epoch FROM max(at) - min(at)) AS seconds
     FROM entries WHERE kind = 'settle' AND at >= '${since}'`,
  );
  if (Number(row?.settled) !== holds) {
    throw new Error(`${holds} holds were due, and ${row?.settled} were settled`);
  }
  // Fewer than one turn's are settled at one time: no rate can be told.
  return holds / Math.max(0.001, Number(row?.seconds));
}

async function lagBetween(
  { stack }: Bench,
  since: string,
  until: string,
): Promise<{ settled: number; latency: Latency }> {
  const shares = drawnPercentiles.map((percentile) => percentile / 100).join(', ');
  const [row] = await askDatabase<{ settled: string; lags: number[] | null }>(
    stack.database,
    `SELECT count(*) AS settled, percentile_cont(ARRAY[${shares}]) WITHIN GROUP (
       ORDER BY extract(epoch FROM entries.at - holds.due_at)::float8 * 1000) AS lags
     FROM entries JOIN holds ON holds.account_id = entries.account_id AND holds.id = entries.hold_id
     WHERE entries.kind = 'settle' AND entries.at BETWEEN '${since}' AND '${until}'`,
  );
  const lags = row?.lags ?? [];
  const curve = drawnPercentiles.map((percentile, index) => [percentile, lags[index] ?? 0] as const);
  const at = (wanted: number) => curve.find(([percentile]) => percentile === wanted)?.[1] ?? 0;
  const latency = { p50Ms: at(50), p99Ms: at(99), maxMs: at(100), curve };
  return { settled: Number(row?.settled ?? 0), latency };
}

async function databaseNow({ stack }: Bench): Promise<string> {
  const [row] = await askDatabase<{ now: string }>(stack.database, 'SELECT clock_timestamp()::text AS now');
  return row?.now ?? '';
}

/** What holds and their entries lie in, indexes and all. */
async function bytesOfBooks({ stack }: Bench): Promise<number> {
  const [row] = await askDatabase<{ bytes: string }>(
    stack.database,
    `SELECT sum(pg_total_relation_size(name)) AS bytes FROM unnest(ARRAY['accounts', 'entries', 'holds']) AS name`,
  );
  return Number(row?.bytes);
}
