import { setTimeout as delay } from 'node:timers/promises';
import type { ChaosStack } from '../stack/chaos-stack.ts';
import type { ServiceVictim } from '../stack/service-victim.ts';
import type { Direction, TcpProxy } from '../../support/tcp-proxy.ts';
import type { LineAt } from './fault.ts';
import { lasting } from './lasting.ts';

/** How long to wait for a COMMIT to pass by. Under load there are many a second. */
const commitWithinMs = 3_000;

export async function cutLine(stack: ChaosStack, at: LineAt): Promise<boolean> {
  return troubled(stack, at, async (line) => line.cut());
}

/** Lets Postgres commit, and cuts the line before the ledger hears of it. */
export async function loseCommitAnswer(stack: ChaosStack, ledger: number): Promise<boolean> {
  const line = stack.one('ledger', ledger).line('db');
  line.holdFrom('toClient', 'COMMIT');
  const seen = await Promise.race([
    line.untilHeld('toClient', 'COMMIT').then(() => true),
    delay(commitWithinMs, false, { ref: false }),
  ]);
  line.cut();
  return seen;
}

export async function slowLine(
  stack: ChaosStack,
  at: LineAt & { readonly delayMs: number; readonly forMs: number },
): Promise<boolean> {
  return troubled(stack, at, async (line) => {
    line.slowDown(at.delayMs);
    await lasting(at.forMs);
    line.slowDown(0);
  });
}

interface OneWay extends LineAt {
  readonly direction: Direction;
  readonly forMs: number;
}

export async function stallLine(stack: ChaosStack, at: OneWay): Promise<boolean> {
  return troubled(stack, at, async (line) => {
    line.hold(at.direction);
    await lasting(at.forMs);
    line.deliver(at.direction);
  });
}

export async function halfCutLine(stack: ChaosStack, at: OneWay): Promise<boolean> {
  return troubled(stack, at, async (line) => {
    line.swallow(at.direction);
    await lasting(at.forMs);
    line.cut();
  });
}

/** A gateway whose own clients can't reach it need not answer them in time. */
async function troubled(
  stack: ChaosStack,
  at: LineAt,
  work: (line: TcpProxy) => Promise<void>,
): Promise<boolean> {
  const victim: ServiceVictim = stack.one(at.service, at.index);
  const over = at.line === 'http' ? victim.trouble() : undefined;
  try {
    await work(victim.line(at.line));
  } finally {
    over?.();
  }
  return true;
}
