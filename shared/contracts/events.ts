import { z } from 'zod';
import { errorCodes } from './error-codes.ts';
import { entryHoldSchema, entryKinds, transferFieldsSchema, toldReferenceSchema } from './outcomes.ts';
import { accountIdSchema, balanceSchema, commandIdSchema, timeSchema } from './primitives.ts';

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
  overdraftLimit: balanceSchema
    .optional()
    .describe('Of a `set-limit`: how far the balance may go below zero now.'),
  ...entryHoldSchema.shape,
  ...transferFieldsSchema.shape,
  reference: toldReferenceSchema,
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
