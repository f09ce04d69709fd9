import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cpuSeconds } from './cpu.ts';
import type { HttpOrder, LoadResult, NatsOrder } from './load-order.ts';
import { memoryMiB } from './memory.ts';
import type { Sample } from './sample.ts';
import type { BenchStack } from './stack.ts';

/** The built clone and what is measured. */
export interface Bench {
  readonly root: string;
  readonly stack: BenchStack;
}

/** Loads the stack by HTTP for some seconds, and counts what it took. */
export function measureHttp(
  bench: Bench,
  name: string,
  round: number,
  order: Omit<HttpOrder, 'url'>,
): Promise<Sample> {
  return measureLoad(bench, name, round, 'http-load', { ...order, url: bench.stack.url });
}

/** The same over NATS. */
export function measureNats(
  bench: Bench,
  name: string,
  round: number,
  order: Omit<NatsOrder, 'nats'>,
): Promise<Sample> {
  return measureLoad(bench, name, round, 'nats-load', { ...order, nats: bench.stack.nats });
}

async function measureLoad(
  { root, stack }: Bench,
  name: string,
  round: number,
  generator: 'http-load' | 'nats-load',
  order: HttpOrder | NatsOrder,
): Promise<Sample> {
  const before = cpuOf(stack);
  const program = join(root, `dist/bench/${generator}.js`);
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(order)]);
  const after = cpuOf(stack);
  const result = JSON.parse(stdout) as LoadResult;
  const { answered, failed, firstFailure = '', cpuSeconds: own } = result;
  const count = Object.values(answered).reduce((sum, each) => sum + each, 0);
  return {
    name,
    round,
    perSecond: result.perSecond,
    latency: result.latency,
    cpuMicros: { ...microsBetween(before, after, count), generator: perOne(own, count) },
    generatorShare: result.cpuShare,
    memoryMiB: memoryOf(stack),
    applied: { subtracts: answered.substract, adds: answered.add },
    ...(failed > 0 && { failed: { count: failed, first: firstFailure } }),
  };
}

/** Seconds of CPU used so far, by process. */
export function cpuOf(stack: BenchStack): Record<string, number> {
  return Object.fromEntries(Object.entries(stack.pids).map(([name, pid]) => [name, cpuSeconds(pid)]));
}

/** MiB of memory now, by process. */
export function memoryOf(stack: BenchStack): Record<string, number> {
  return Object.fromEntries(Object.entries(stack.pids).map(([name, pid]) => [name, memoryMiB(pid)]));
}

/** Microseconds for each of `count`, by process; one that was not there before began with none. */
export function microsBetween(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  count: number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after).map(([name, used]) => [name, perOne(used - (before[name] ?? 0), count)]),
  );
}

function perOne(seconds: number, count: number): number {
  return (seconds / Math.max(1, count)) * 1_000_000;
}
