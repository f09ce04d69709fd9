import { idOf } from './books.ts';
import type { Evidences } from './check.ts';
import { windowOf } from '../history.ts';
import { Timeline } from './timeline.ts';

/** What the system does by itself has no caller, and may be at any time. */
const anyTime = { fromMs: -Infinity, untilMs: Infinity };

/** Every account's timeline, and where one contradicts itself. */
export function timelinesOf({ history, books }: Pick<Evidences, 'history' | 'books'>): {
  readonly of: (accountId: string) => Timeline;
  readonly problems: string[];
} {
  const operations = new Map(history.operations.map((operation) => [idOf(operation), operation]));
  const timelines = new Map<string, Timeline>();
  const problems: string[] = [];
  for (const [accountId, journal] of books.journals) {
    const timeline = new Timeline(journal, ({ commandId, otherAccountId, transferId }) => {
      // What a transfer pays was asked of the account that pays.
      const isReceipt = otherAccountId !== null && transferId !== null;
      const asked = isReceipt ? { accountId: otherAccountId, id: transferId } : { accountId, id: commandId };
      const operation = operations.get(idOf(asked));
      return operation === undefined ? anyTime : windowOf(operation);
    });
    timelines.set(accountId, timeline);
    for (const { version, byMs } of timeline.contradictions) {
      problems.push(
        `${accountId} version ${version} was answered ${byMs.toFixed(1)} ms before an earlier version was asked for`,
      );
    }
  }
  const none = new Timeline([], () => anyTime);
  return { of: (accountId) => timelines.get(accountId) ?? none, problems };
}
