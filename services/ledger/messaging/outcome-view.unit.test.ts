import { expect, test } from '@jest/globals';
import { maxNameLength, maxReferenceLength } from '../../../shared/contracts/limits.ts';
import {
  nameSchema,
  referenceSchema,
  type AccountId,
  type CommandId,
  type HoldId,
} from '../../../shared/contracts/primitives.ts';
import { maxDecimals, maxMinorUnits, money } from '../../../shared/money/money.ts';
import type { Micros } from '../domain/time.ts';
import { outcomeView } from './outcome-view.ts';

/** How many commands one message may have when its sender wants an answer that fits, whatever is in it. */
const promisedPerMessage = 512;
const brokersMaxPayload = 1024 * 1024;

test.each(['€', '😀', '"', 'x'])(
  'answers to full arrays fit into a message, with names of %s alone',
  (letter) => {
    const line = (length: number): string => letter.repeat(length / letter.length);
    const [name, reference] = [line(maxNameLength), line(maxReferenceLength)];
    nameSchema.parse(name);
    referenceSchema.parse(reference);
    const id = '26c940a1-7228-4ea2-a3bc-e6460b172040';
    const most = money(maxMinorUnits);
    const least = money(-maxMinorUnits);
    const view = outcomeView(id as CommandId, {
      type: 'applied',
      replayed: false,
      entry: {
        accountId: id as AccountId,
        seq: Number.MAX_SAFE_INTEGER,
        commandId: id as CommandId,
        kind: 'subtract',
        amount: most,
        balance: least,
        held: most,
        overdraftLimit: most,
        holdId: id as HoldId,
        at: 1_769_860_800_123_456 as Micros,
        fingerprint: Buffer.alloc(16),
        details: null,
        formatVersion: 1,
        hash: Buffer.alloc(32),
      },
      asOf: {
        account: {
          id: id as AccountId,
          name,
          currency: 'A'.repeat(12),
          decimals: maxDecimals,
          metadata: null,
        },
        status: 'closed',
      },
      reference,
      hold: {
        id: id as HoldId,
        amount: most,
        status: 'released',
        dueAt: 1_769_860_800_000_000 as Micros,
        onDue: 'release',
        reference,
      },
    });
    const bytes = Buffer.byteLength(JSON.stringify(view));
    expect((bytes + 1) * promisedPerMessage).toBeLessThan(brokersMaxPayload - 512);
  },
);
