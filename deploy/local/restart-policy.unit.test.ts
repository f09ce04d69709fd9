import { describe, expect, test } from '@jest/globals';
import type { ExitInfo } from './child-process.ts';
import { decideRestart, noShortLives, restartPolicy } from './restart-policy.ts';

const fault: ExitInfo = { code: 1, signal: null };
const killed: ExitInfo = { code: null, signal: 'SIGKILL' };

/** The delays of a program that always ends the same way, until it is given up or `limit` lives are over. */
function livesOf(
  exit: ExitInfo,
  livedMs: number,
  limit: number,
  before = noShortLives,
): (number | 'given up')[] {
  const delays: (number | 'given up')[] = [];
  let shortLives = before;
  while (delays.length < limit) {
    const next = decideRestart(shortLives, { livedMs, exit }, restartPolicy);
    if (next.giveUp) return [...delays, 'given up'];
    delays.push(next.delayMs);
    shortLives = next.shortLives;
  }
  return delays;
}

describe('starting a program again', () => {
  test('one that dies at once every time is started later and later, then given up', () => {
    expect(livesOf(fault, 50, 20)).toEqual([100, 200, 400, 800, 1_600, 'given up']);
  });

  test('one that lived for a while is started at once, for ever', () => {
    expect(livesOf(fault, 60_000, 20)).toEqual(Array.from({ length: 20 }, () => 100));
  });

  test('one that lived for a while and can’t start any more, as on a full disk, is tried for ever', () => {
    const once = decideRestart(noShortLives, { livedMs: 60_000, exit: fault }, restartPolicy);
    if (once.giveUp) throw new Error('it was given up');
    const later = Array.from({ length: 15 }, () => 5_000);
    expect(livesOf(fault, 50, 20, once.shortLives)).toEqual([200, 400, 800, 1_600, 3_200, ...later]);
    expect(livesOf({ code: 78, signal: null }, 50, 20, once.shortLives)).toEqual(['given up']);
  });

  test('one that someone kills again and again is never given up, and soon back', () => {
    expect(livesOf(killed, 50, 20)).toEqual([100, 200, 400, 800, ...Array.from({ length: 16 }, () => 1_000)]);
  });

  test('wrong settings do not get better', () => {
    expect(livesOf({ code: 78, signal: null }, 60_000, 20)).toEqual(['given up']);
  });
});
