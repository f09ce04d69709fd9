/**
 * Says what makes a run void, and what it misses of what is wanted.
 *
 * @returns the exit code: 0 when there is neither.
 */
export function conclude(problems: readonly string[], missed: readonly string[] = []): number {
  for (const problem of problems) process.stdout.write(`VOID: ${problem}\n`);
  for (const miss of missed) process.stdout.write(`MISSED: ${miss}\n`);
  return problems.length + missed.length === 0 ? 0 : 1;
}
