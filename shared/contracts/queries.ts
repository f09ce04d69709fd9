import { z } from 'zod';
import { maxPageSize } from './limits.ts';
import {
  accountViewSchema,
  accountStatuses,
  entryHoldSchema,
  entryViewSchema,
  errorViewSchema,
  holdStatuses,
  holdViewSchema,
} from './outcomes.ts';
import {
  accountIdSchema,
  allowedAccountsSchema,
  balanceSchema,
  commandIdSchema,
  holdIdSchema,
  referenceSchema,
} from './primitives.ts';
import type { QueryKind } from './subjects.ts';

const allowedAccounts = allowedAccountsSchema;
const limit = z.int().min(1).max(maxPageSize).default(100);

const reference = referenceSchema.describe('Only what has exactly this reference.');

/** In which order a list comes. Cursors go with it: what is behind the last row of the page before. */
export const listOrders = ['oldest', 'newest'] as const;
const order = z.enum(listOrders).default('oldest').describe('What comes first.');

/** What a payload of each kind of query must be. */
export const querySchemas = {
  /** Answers when a command could be served, with the ledger's time. */
  ping: z.strictObject({}),
  account: z.strictObject({ accountId: accountIdSchema, allowedAccounts }),
  /** Accounts in id order, a page at a time. */
  accounts: z.strictObject({
    after: accountIdSchema.optional().describe('The last id of the page before.'),
    status: z.enum(accountStatuses).optional(),
    limit,
    allowedAccounts,
  }),
  hold: z.strictObject({ accountId: accountIdSchema, holdId: holdIdSchema, allowedAccounts }),
  /** An account's holds in id order, which is that of the milliseconds in which they were made, or in the reverse of it. */
  holds: z.strictObject({
    accountId: accountIdSchema,
    after: holdIdSchema.optional().describe('The last id of the page before.'),
    status: z.enum(holdStatuses).optional(),
    reference,
    order,
    limit,
    allowedAccounts,
  }),
  /** An account's journal in seq order, or in the reverse of it. */
  entries: z.strictObject({
    accountId: accountIdSchema,
    afterSeq: z.int().min(0).optional().describe('The last seq of the page before.'),
    holdId: holdIdSchema.optional().describe('Only what made and ended this hold.'),
    reference,
    order,
    limit,
    allowedAccounts,
  }),
} as const satisfies Record<QueryKind, z.ZodType>;

const holdDetailSchema = holdViewSchema.extend({
  accountId: accountIdSchema,
  remaining: balanceSchema,
  commandId: commandIdSchema,
  version: z.int(),
});
export type HoldDetail = z.output<typeof holdDetailSchema>;

const entryDetailSchema = entryViewSchema.extend({
  accountId: accountIdSchema,
  commandId: commandIdSchema,
  balance: balanceSchema,
  held: balanceSchema,
  available: balanceSchema,
  overdraftLimit: balanceSchema,
  ...entryHoldSchema.shape,
  details: z.record(z.string(), z.unknown()).optional(),
  hash: z.string().describe('The chain hash, hexadecimal.'),
});
export type EntryDetail = z.output<typeof entryDetailSchema>;

const failedSchema = z.object({ ok: z.literal(false), error: errorViewSchema });
export type FailedAnswer = z.output<typeof failedSchema>;

/** What each kind of query is answered with. */
export const answerSchemas = {
  ping: z.discriminatedUnion('ok', [
    z.object({
      ok: z.literal(true),
      now: z.number().describe('The ledger’s time, which deadlines are in, ms since 1970 UTC.'),
      clockAheadMs: z
        .number()
        .optional()
        .describe('How far the test clock is ahead of it, ms; missing when it was not moved.'),
    }),
    failedSchema,
  ]),
  account: z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), account: accountViewSchema }),
    failedSchema,
  ]),
  accounts: z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), accounts: z.array(accountViewSchema) }),
    failedSchema,
  ]),
  hold: z.discriminatedUnion('ok', [z.object({ ok: z.literal(true), hold: holdDetailSchema }), failedSchema]),
  holds: z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), holds: z.array(holdDetailSchema) }),
    failedSchema,
  ]),
  entries: z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), entries: z.array(entryDetailSchema) }),
    failedSchema,
  ]),
} as const satisfies Record<QueryKind, z.ZodType>;

export type QueryInput<K extends QueryKind> = z.input<(typeof querySchemas)[K]>;
export type QueryPayload<K extends QueryKind> = z.output<(typeof querySchemas)[K]>;
export type QueryAnswer<K extends QueryKind> = z.output<(typeof answerSchemas)[K]>;
