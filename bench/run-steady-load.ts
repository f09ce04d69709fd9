import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PhaseResult, SteadyOrder, SteadyResult } from './load-order.ts';
import type { NamedRow } from './tables.ts';

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

/** What is wrong with so many changes in the books after these phases, in words. */
export function bookedProblems(phases: readonly PhaseResult[], booked: number): string[] {
  const applied = appliedIn(phases);
  const unknown = phases.reduce((sum, phase) => sum + unknownIn(phase), 0);
  return booked >= applied && booked <= applied + unknown
    ? []
    : [`${applied} changes were acknowledged, and ${booked} are in the books`];
}

export function bookedRow(phases: readonly PhaseResult[], booked: number): NamedRow {
  return ['books', `${appliedIn(phases)} changes acknowledged, ${booked} in the books`];
}

function appliedIn(phases: readonly PhaseResult[]): number {
  return phases.reduce((sum, phase) => sum + phase.applied, 0);
}

/** Changes of which it is not known whether they happened. */
function unknownIn(phase: PhaseResult): number {
  return phase.unanswered + Object.values(phase.unexpected).reduce((sum, times) => sum + times, 0);
}
