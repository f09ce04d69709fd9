import { setTimeout as delay } from 'node:timers/promises';
import type { Fault, ServerName } from './faults/fault.ts';
import type { ChaosStack } from './stack/chaos-stack.ts';

/** A server that is gone refuses: noticed by two lost pings. One that is frozen is silent: noticed by missing pongs. */
const noticedAfterMs = { gone: 4_000, frozen: 8_000 } as const;
const lookEveryMs = 250;
/** Looked at no later than so long before the server comes back. */
const marginMs = 500;

/**
 * What `/readyz` may say is missing. What only the ledger sees, others see as a ledger that gives no good answer; and a
 * service that was just starting goes on with it once the server is back.
 */
const wordsFor: Readonly<Record<ServerName, RegExp>> = {
  nats: /^(?:nats|ledger|starting)/u,
  postgres: /^(?:postgres|ledger|starting)/u,
};

/**
 * While a server is away and nothing else is wrong, every service that needs it says so on `/readyz`, from some seconds
 * on. Gives what said something else; nothing when the absence is too short to be noticed.
 */
export async function watchAbsence(fault: Fault, stack: ChaosStack): Promise<string[]> {
  const absence = absenceOf(fault);
  if (absence === undefined) return [];
  const untilMs = performance.now() + absence.ms - marginMs;
  const fromMs = performance.now() + noticedAfterMs[absence.how];
  const services = stack.services.filter(({ service }) => absence.server === 'nats' || service !== 'settler');
  const problems = new Set<string>();
  while (performance.now() < untilMs) {
    if (performance.now() >= fromMs) {
      for (const service of services) {
        // One look may meet a connection that is just being closed, or a machine that is away for a second.
        const missing = (await service.missing()) ?? (await service.missing());
        if (performance.now() >= untilMs || missing?.some((word) => wordsFor[absence.server].test(word)))
          continue;
        problems.add(
          `with ${absence.server} away, ${service.name} said on /readyz: ${missing?.join(', ') ?? 'no answer, twice'}`,
        );
      }
    }
    await delay(lookEveryMs);
  }
  return [...problems];
}

interface Absence {
  readonly server: ServerName;
  readonly how: keyof typeof noticedAfterMs;
  readonly ms: number;
}

function absenceOf(fault: Fault): Absence | undefined {
  if (fault.kind === 'kill server') return { server: fault.server, how: 'gone', ms: fault.downMs };
  if (fault.kind === 'freeze server') return { server: fault.server, how: 'frozen', ms: fault.forMs };
  return undefined;
}
