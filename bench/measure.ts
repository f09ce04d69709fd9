import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cpuSeconds } from './cpu.ts';
import type { LoadOrder, LoadResult } from './load.ts';
import type { BenchStack } from './stack.ts';

export interface Measurement extends LoadResult {
  readonly load: string;
  readonly connections: number;
  readonly changesBooks: boolean;
  /** Microseconds of CPU per request, by process. */
  readonly cpuMicros: Readonly<Record<string, number>>;
}

export interface Load {
  readonly name: string;
  readonly path: string;
  readonly idsFile?: string;
}

/** The ceiling first: what HTTP alone costs, generator included. */
export async function writeLoads(workDir: string, ids: readonly string[]): Promise<[Load, Load, Load]> {
  const spread = join(workDir, 'spread.json');
  const hot = join(workDir, 'hot.json');
  await writeFile(spread, JSON.stringify(ids));
  await writeFile(hot, JSON.stringify(ids.slice(0, 1)));
  return [
    { name: 'GET ping', path: '/api/ping' },
    { name: 'substract, spread', path, idsFile: spread },
    { name: 'substract, one hot account', path, idsFile: hot },
  ];
}

const path = '/api/substract';

/** Loads the stack for some seconds, and counts what it took. */
export async function measure(
  root: string,
  stack: BenchStack,
  load: Load,
  connections: number,
  seconds: number,
): Promise<Measurement> {
  const { name, ...rest } = load;
  const order: LoadOrder = { url: stack.url, connections, seconds, ...rest };
  const before = usedBy(stack);
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(root, 'dist/bench/load.js'),
    JSON.stringify(order),
  ]);
  const result = JSON.parse(stdout) as LoadResult;
  const after = usedBy(stack);
  const perRequest = (used: number): number => (used / Math.max(1, result.requests)) * 1_000_000;
  const cpuMicros = Object.fromEntries([
    ...Object.entries(after).map(([process, used]) => [process, perRequest(used - (before[process] ?? 0))]),
    ['generator', perRequest(result.cpuSeconds)],
  ]) as Record<string, number>;
  return { ...result, load: name, connections, changesBooks: load.idsFile !== undefined, cpuMicros };
}

function usedBy(stack: BenchStack): Record<string, number> {
  return Object.fromEntries(Object.entries(stack.pids).map(([name, pid]) => [name, cpuSeconds(pid)]));
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}
