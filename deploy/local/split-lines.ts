import type { Readable } from 'node:stream';

/** A line longer than this is handed on in pieces, so that output without line ends can't fill the memory. */
const longestLineCharacters = 64 * 1024;

/** Calls `onLine` for every line of a stream of text, without its line end; empty lines are left out. */
export function splitLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  const hand = (line: string) => {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (text !== '') onLine(text);
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(hand);
    if (rest.length > longestLineCharacters) {
      hand(rest);
      rest = '';
    }
  });
  stream.on('end', () => {
    hand(rest);
    rest = '';
  });
  // A read error means that the process is gone; its exit tells so.
  stream.on('error', () => undefined);
}
