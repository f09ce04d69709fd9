import { decimal } from '../clients/door.ts';
import type { Evidences } from './check.ts';
import type { Timeline } from './timeline.ts';

/** Whoever looks sees the account as one of the versions that it had in that time. */
export function checkReads(
  { history, books }: Pick<Evidences, 'history' | 'books'>,
  timelineOf: (accountId: string) => Timeline,
): string[] {
  return history.reads.flatMap(({ accountId, door, startMs, endMs, version, balance, held }) => {
    const { oldest, newest } = timelineOf(accountId).versionsBetween(startMs, endMs);
    if (version < oldest || version > newest)
      return [`${door} showed ${accountId} as version ${version}, when it was ${oldest} to ${newest}`];
    const entry = books.journals.get(accountId)?.[version - 1];
    if (entry === undefined) return [`${door} showed ${accountId} as version ${version}, which is not there`];
    const booked = [decimal(entry.balance), decimal(entry.held)];
    return booked[0] === balance && booked[1] === held
      ? []
      : [`${door} showed ${accountId} ${version} with ${balance}/${held}, expected ${booked.join('/')}`];
  });
}
