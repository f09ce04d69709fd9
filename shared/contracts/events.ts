import { z } from 'zod';
import { errorCodes } from './error-codes.ts';
import { dueActions, entryKinds, toldReferenceSchema } from './outcomes.ts';
import { accountIdSchema, balanceSchema, commandIdSchema, holdIdSchema, timeSchema } from './primitives.ts';

/** Something is in the journal. Delivered at least once; (accountId, seq) orders and dedupes. */
const entryFactSchema = z.object({
  type: z.literal('entry'),
  accountId: accountIdSchema,
  seq: z.int(),
  commandId: commandIdSchema,
  kind: z.enum(entryKinds),
  currency: z.string(),
  amount: balanceSchema,
  balance: balanceSchema,
  held: balanceSchema,
  available: balanceSchema,
  holdId: holdIdSchema.optional(),
  dueAt: timeSchema.optional().describe('Of the hold that is made.'),
  onDue: z.enum(dueActions).optional().describe('Of the hold that is made.'),
  reference: toldReferenceSchema,
  released: balanceSchema.optional().describe('What a settle of a part has released.'),
  due: z.literal(true).optional().describe('The hold has ended by itself, since it was due.'),
  at: timeSchema,
});
export type EntryFact = z.output<typeof entryFactSchema>;

/**
 * A command of a caller who did not wait came to nothing. A refusal by the state of the books is kept under its id; what was
 * invalid, forbidden, late or given up may be sent again under it.
 */
const refusalFactSchema = z.object({
  type: z.literal('refusal'),
  accountId: accountIdSchema,
  commandId: commandIdSchema,
  code: z.enum(errorCodes),
  detail: z.string(),
  reference: toldReferenceSchema,
  at: timeSchema,
});
export type RefusalFact = z.output<typeof refusalFactSchema>;

/** The payload of `balance.event`. */
export const eventSchema = z.array(z.discriminatedUnion('type', [entryFactSchema, refusalFactSchema]));
export type Fact = EntryFact | RefusalFact;

/** The payload of `balance.hold.due`: holds fall due at this second. */
export const holdDueSchema = z.strictObject({ dueAt: timeSchema });
export type HoldDue = z.output<typeof holdDueSchema>;
