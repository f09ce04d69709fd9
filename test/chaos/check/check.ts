import type { Fact } from '../../../shared/contracts/events.ts';
import type { History } from '../history.ts';
import type { Books } from './books.ts';
import { checkEvents } from './events.ts';
import { checkHolds } from './holds.ts';
import { checkJournal } from './journal.ts';
import { checkOutcomes } from './outcomes.ts';
import { checkReads } from './reads.ts';
import { timelinesOf } from './timelines.ts';
import { checkTransfers } from './transfers.ts';

export interface Evidences {
  readonly history: History;
  readonly books: Books;
  readonly facts: readonly Fact[];
  /** Commands that a stream had accepted by then may be gone with it. */
  readonly streamLostAtMs: number;
}

/** Holds what clients were told against what the books say. Gives what is wrong, in words; nothing when nothing is. */
export function check(evidences: Evidences): string[] {
  const timelines = timelinesOf(evidences);
  return [
    ...timelines.problems,
    ...checkJournal(evidences.books),
    ...checkOutcomes(evidences, timelines.of),
    ...checkReads(evidences, timelines.of),
    ...checkHolds(evidences.books),
    ...checkTransfers(evidences.books),
    ...checkEvents(evidences),
    ...(evidences.books.outboxRows > 0 ? [`the outbox still has ${evidences.books.outboxRows} rows`] : []),
    ...(evidences.books.deadlocks > 0 ? [`Postgres had to end ${evidences.books.deadlocks} dead-locks`] : []),
  ];
}
