import { formatCursor, type Cursor, type Gap } from './cursor.ts';

/* What stands on the line: https://html.spec.whatwg.org/multipage/server-sent-events.html */

/** What a browser waits before it connects again. */
const reconnectAfterMs = 1_000;

/** The first of all: says that the stream is open. */
export const opening = `: facts\nretry: ${reconnectAfterMs}\n\n`;

/** An event, whose data is JSON on one line. `next` is what comes behind it. */
export function eventFrame(event: string, next: Cursor, json: string): string {
  return `event: ${event}\nid: ${formatCursor(next)}\ndata: ${json}\n\n`;
}

/** Where the stream goes on: who is cut off before the first fact resumes here. */
export function readyFrame(next: Cursor): string {
  return eventFrame('ready', next, '{}');
}

/** Facts are missing before those that come now. */
export function gapFrame(next: Cursor, why: Gap): string {
  const detail = `${why} Read balances and journals anew.`;
  return eventFrame('gap', next, JSON.stringify({ detail }));
}

/** An id without data is no event, and still what readers resume behind: a stream without news does not fall back. */
export function heartbeatFrame(next: Cursor | undefined): string {
  return next === undefined ? ': \n\n' : `: \nid: ${formatCursor(next)}\n\n`;
}
