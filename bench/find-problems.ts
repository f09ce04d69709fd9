import { messageOf } from '../shared/telemetry/describe-error.ts';
import { askDatabase } from '../deploy/local/with-client.ts';
import { auditFindings, untilOutboxIsEmpty } from './books.ts';
import type { Filled } from './fill-books.ts';
import type { Sample } from './sample.ts';
import { durabilityProblems, type BenchStack } from './stack.ts';

/**
 * Why the figures are void: settings that are not durable, requests that failed, books that do not add up or do not hold
 * exactly what was acknowledged. None when all is well. Every chain is recomputed from its first entry.
 */
export async function findProblems(
  stack: BenchStack,
  samples: readonly Sample[],
  filled: Filled,
): Promise<string[]> {
  await untilOutboxIsEmpty(stack.database);
  // What a run writes in minutes, the server's statistics may not know yet: the audit's joins would be planned for less.
  await askDatabase(stack.database, 'ANALYZE accounts, entries, holds');
  const failures = samples.flatMap(({ name, failed }) =>
    failed === undefined ? [] : [`${failed.count} of "${name}" failed, the first with: ${failed.first}`],
  );
  return [
    ...(await durabilityProblems(stack)),
    ...failures,
    ...(await auditFindings(stack).catch(notAudited)),
    ...(await countProblems(stack, samples, filled)),
  ];
}

/** The figures are kept, for the hour that they took. */
function notAudited(error: unknown): string[] {
  return [`the books could not be audited: ${messageOf(error)}`];
}

/** As many entries of each kind as were acknowledged or filled in. */
async function countProblems(
  stack: BenchStack,
  samples: readonly Sample[],
  filled: Filled,
): Promise<string[]> {
  const sum = (kind: 'subtracts' | 'adds') =>
    samples.reduce((total, { applied }) => total + (applied?.[kind] ?? 0), 0);
  const expected: Record<string, number> = {
    open: filled.accounts,
    add: filled.accounts + sum('adds'),
    subtract: filled.holds + sum('subtracts'),
  };
  const rows = await askDatabase<{ kind: string; count: string }>(
    stack.database,
    'SELECT kind, count(*) FROM entries GROUP BY kind',
  );
  const counted = new Map(rows.map(({ kind, count }) => [kind, Number(count)]));
  return Object.entries(expected).flatMap(([kind, count]) =>
    counted.get(kind) === count
      ? []
      : [
          `${count} entries of kind ${kind} were acknowledged, and ${counted.get(kind) ?? 0} are in the books`,
        ],
  );
}
