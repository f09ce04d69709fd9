import type { Evidence } from '../evidence.ts';
import type { ChaosStack } from '../stack/chaos-stack.ts';
import type { Fault } from './fault.ts';
import { freezeBackend, killBackend, lockAccounts } from './backends.ts';
import { deliverDueAgain, loseBrokerData } from './broker.ts';
import { cutLine, halfCutLine, loseCommitAnswer, slowLine, stallLine } from './lines.ts';
import { lasting } from './lasting.ts';

/** Where faults are done, and what must be kept of what they destroy. */
export interface Scene {
  readonly stack: ChaosStack;
  readonly evidence: Evidence;
}

/**
 * Does a fault, and undoes it when its time is over.
 *
 * @returns whether it could be done: what is down can't be killed.
 */
export async function perform(fault: Fault, scene: Scene): Promise<boolean> {
  const { stack } = scene;
  switch (fault.kind) {
    case 'kill service': {
      const victim = stack.one(fault.service, fault.index);
      return during(victim.trouble(), () => killFor(victim, fault.downMs));
    }
    case 'freeze service': {
      const victim = stack.one(fault.service, fault.index);
      return during(victim.trouble(), () => freezeFor(victim, fault.forMs));
    }
    case 'wrong clock': {
      const victim = stack.one(fault.service, fault.index);
      await victim.setClock(fault.shiftMs);
      return during(
        () => victim.setClock(0),
        async () => {
          await lasting(fault.forMs);
          return true;
        },
      );
    }
    case 'kill server':
      return killFor(stack.servers[fault.server], fault.downMs);
    case 'freeze server':
      return freezeFor(stack.servers[fault.server], fault.forMs);
    case 'kill backend':
      return killBackend(stack, fault.signal, fault.pick);
    case 'freeze backend':
      return freezeBackend(stack, fault.forMs, fault.pick);
    case 'lock accounts':
      return lockAccounts(stack, fault);
    case 'cut line':
      return cutLine(stack, fault);
    case 'lose commit answer':
      return loseCommitAnswer(stack, fault.ledger);
    case 'slow line':
      return slowLine(stack, fault);
    case 'stalled line':
      return stallLine(stack, fault);
    case 'half-cut line':
      return halfCutLine(stack, fault);
    case 'full disk':
      return fillDisk(stack, fault.of, fault.forMs);
    case 'deliver due again':
      return deliverDueAgain(scene, fault.times);
    case 'lose broker data':
      return loseBrokerData(scene, fault.downMs);
  }
}

interface Mortal {
  readonly isRunning: boolean;
  readonly kill: () => Promise<void>;
  readonly keepDown: () => () => void;
  readonly freeze: () => () => void;
}

/** kill -9; the supervisor starts it again after `downMs` at the earliest. */
async function killFor(victim: Mortal, downMs: number): Promise<boolean> {
  if (!victim.isRunning) return false;
  return during(victim.keepDown(), async () => {
    await victim.kill();
    await lasting(downMs);
    return true;
  });
}

async function freezeFor(victim: Mortal, forMs: number): Promise<boolean> {
  if (!victim.isRunning) return false;
  return during(victim.freeze(), async () => {
    await lasting(forMs);
    return true;
  });
}

async function fillDisk(stack: ChaosStack, of: 'nats' | 'postgres', forMs: number): Promise<boolean> {
  const disk = stack.servers.disks.get(of);
  await disk?.fillFor(forMs);
  return disk !== undefined;
}

/** Does the work, and undoes what was begun for it, come what may. */
async function during(undo: () => void | Promise<void>, work: () => Promise<boolean>): Promise<boolean> {
  try {
    return await work();
  } finally {
    await undo();
  }
}
