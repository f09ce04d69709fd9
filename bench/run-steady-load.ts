import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PhaseResult, SteadyOrder, SteadyResult } from './steady-load.ts';

/** Runs the generator in a process of its own. */
export async function runSteadyLoad(root: string, order: SteadyOrder): Promise<SteadyResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(root, 'dist/bench/steady-load.js'),
    JSON.stringify(order),
  ]);
  return JSON.parse(stdout) as SteadyResult;
}

/** What may not happen in any phase, in words. */
export function surprisesOf(phase: PhaseResult): string[] {
  return [
    ...Object.entries(phase.unexpected).map(([what, times]) => `${what}: ${times} times`),
    ...(phase.unanswered === 0 ? [] : [`${phase.unanswered} requests got no answer`]),
  ];
}

/** Changes of which it is not known whether they happened. */
export function unknownIn(phase: PhaseResult): number {
  return phase.unanswered + Object.values(phase.unexpected).reduce((sum, times) => sum + times, 0);
}
