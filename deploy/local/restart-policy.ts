import { exitCodes } from '../../shared/lifecycle/run-service.ts';
import type { ExitInfo } from './child-process.ts';

/** What the next restart depends on: how often in a row it did not live long, and how often that was its own doing. */
export interface ShortLives {
  readonly count: number;
  readonly ownDoing: number;
  /** It has lived long before: what keeps it from starting now, a full disk for one, may pass. */
  readonly hasServed: boolean;
}

export const noShortLives: ShortLives = { count: 0, ownDoing: 0, hasServed: false };

export interface RestartPolicy {
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
  /** After someone killed it there is nothing to wait for, but a killer that goes on must not keep us busy. */
  readonly longestDelayAfterKillMs: number;
  /** Living this long is no short life. */
  readonly longLifeMs: number;
  /** This many short lives in a row of its own doing and no long one ever, and there is no hope. */
  readonly tries: number;
}

/** 0.1 + 0.2 + 0.4 + 0.8 + 1.6 s: the clear end comes after some seconds, the first restarts at once. */
export const restartPolicy: RestartPolicy = {
  firstDelayMs: 100,
  longestDelayMs: 5_000,
  longestDelayAfterKillMs: 1_000,
  longLifeMs: 10_000,
  tries: 6,
};

const killedBySomeone: ReadonlySet<NodeJS.Signals | null> = new Set([
  'SIGKILL',
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
]);

/** After how long to start a program again that has ended, or to give up. */
export function decideRestart(
  before: ShortLives,
  ended: { readonly livedMs: number; readonly exit: ExitInfo },
  policy: RestartPolicy,
): { giveUp: true } | { giveUp: false; delayMs: number; shortLives: ShortLives } {
  const { livedMs, exit } = ended;
  if (exit.code === exitCodes.settings) return { giveUp: true };
  const past = livedMs >= policy.longLifeMs ? { ...noShortLives, hasServed: true } : before;
  const { hasServed } = past;
  const wasKilled = killedBySomeone.has(exit.signal);
  const shortLives = { count: past.count + 1, ownDoing: wasKilled ? 0 : past.ownDoing + 1, hasServed };
  if (!hasServed && shortLives.ownDoing >= policy.tries) return { giveUp: true };
  const longest = wasKilled ? policy.longestDelayAfterKillMs : policy.longestDelayMs;
  const delayMs = Math.min(policy.firstDelayMs * 2 ** (shortLives.count - 1), longest);
  return { giveUp: false, delayMs, shortLives };
}
