import { z } from 'zod';

/** A place in the stream of facts, by what comes next there. */
export interface Cursor {
  /** The message that comes next. */
  readonly sequence: number;
  /** The fact of it that comes next. */
  readonly index: number;
  /** When the broker made the stream, in milliseconds since 1970: in one that was made anew, sequences are others. */
  readonly since: number;
}

/** Before everything that the stream still has. */
export const oldest = 'oldest';

/** Where a caller goes on. */
export type After = Cursor | typeof oldest;

/** What there is of the stream. */
export interface StreamState {
  readonly since: number;
  /** The oldest message that is kept; one more than `last` when there is none. */
  readonly first: number;
  readonly last: number;
}

const pattern = /^(\d{1,15})-(\d{1,6})-([0-9a-z]{1,9})$/;
const message = `must be the id of an event, as it came, or ${oldest}`;

/** As it stands in `after` and in `Last-Event-ID`. */
export const afterSchema = z
  .string({ error: message })
  .refine((text) => text === oldest || pattern.test(text), message)
  .transform((text): After => (text === oldest ? oldest : parseCursor(text)));

/** The id of an event: what comes behind it, and nothing that a caller should look into. */
export function formatCursor({ sequence, index, since }: Cursor): string {
  return `${sequence}-${index}-${since.toString(36)}`;
}

function parseCursor(text: string): Cursor {
  const [, sequence, index, since = ''] = pattern.exec(text) ?? [];
  return { sequence: Number(sequence), index: Number(index), since: Number.parseInt(since, 36) };
}

/** Behind all that there is. */
export function endOf({ since, last }: StreamState): Cursor {
  return { sequence: last + 1, index: 0, since };
}

/** Why facts are missing, in words for people. */
const gaps = {
  expired: 'Facts that come next are no longer kept.',
  lost: 'The broker has lost facts, and counts anew.',
} as const;
export type Gap = (typeof gaps)[keyof typeof gaps];

/** Where it goes on behind `after`, and why facts are missing before that, if any are. */
export function goOn(after: After, state: StreamState): { next: Cursor; gap: Gap | undefined } {
  const first: Cursor = { sequence: Math.max(state.first, 1), index: 0, since: state.since };
  if (after === oldest) return { next: first, gap: undefined };
  // All that the new stream has happened after what the old one told.
  if (after.since !== state.since) return { next: first, gap: gaps.lost };
  const end = endOf(state);
  if (isBehind(after, end)) return { next: end, gap: gaps.lost };
  if (after.sequence < first.sequence) return { next: first, gap: gaps.expired };
  return { next: after, gap: undefined };
}

function isBehind(cursor: Cursor, end: Cursor): boolean {
  return cursor.sequence > end.sequence || (cursor.sequence === end.sequence && cursor.index > end.index);
}
