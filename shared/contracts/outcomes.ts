import { z } from 'zod';
import { errorCodes } from './error-codes.ts';
import {
  accountIdSchema,
  balanceSchema,
  commandIdSchema,
  holdIdSchema,
  metadataSchema,
  timeSchema,
} from './primitives.ts';
import type { CommandKind } from './subjects.ts';

export const accountStatuses = ['open', 'closed'] as const;
export type AccountStatus = (typeof accountStatuses)[number];

export const holdStatuses = ['pending', 'settled', 'released'] as const;
export type HoldStatus = (typeof holdStatuses)[number];

/** What a hold does when it falls due. */
export const dueActions = ['settle', 'release'] as const;
export type DueAction = (typeof dueActions)[number];

/** What becomes of a hold that nobody ends before it is due. */
export const onDueSchema = z
  .enum(dueActions, { error: `must be ${dueActions.join(' or ')}` })
  .optional()
  .describe('What becomes of the hold when it is due. Left out, it is settled.');

/** Every change of an account is an entry of one of these kinds. */
export const entryKinds = [
  'open',
  'set-limit',
  'close',
  'add',
  'subtract',
  'settle',
  'release',
  'extend',
  'transfer-out',
  'transfer-in',
] as const;
export type EntryKind = (typeof entryKinds)[number];

/** Missing when none was given. */
export const toldReferenceSchema = z
  .string()
  .optional()
  .describe('What it is for, as its command said; the end of a hold has the hold’s.');

/** An account as of one version. `available` = balance + overdraft limit − held. */
export const accountViewSchema = z.object({
  id: accountIdSchema,
  name: z.string(),
  status: z.enum(accountStatuses),
  currency: z.string(),
  decimals: z.int(),
  balance: balanceSchema,
  held: balanceSchema,
  available: balanceSchema,
  overdraftLimit: balanceSchema,
  version: z.int().describe('The seq of the account’s last entry.'),
  metadata: metadataSchema.optional(),
});
export type AccountView = z.output<typeof accountViewSchema>;

/** What an entry tells of the transfer that made it. */
export const transferFieldsSchema = z.object({
  toAccountId: accountIdSchema.optional().describe('Of a `transfer-out`: the account that was paid.'),
  fromAccountId: accountIdSchema.optional().describe('Of a `transfer-in`: the account that paid.'),
  transferId: commandIdSchema
    .optional()
    .describe('Of a `transfer-in`: the command id of the transfer, which on this account has another.'),
});

export const entryViewSchema = z.object({
  id: z.string().describe('<account id>:<seq>'),
  seq: z.int(),
  kind: z.enum(entryKinds),
  amount: balanceSchema,
  at: timeSchema,
  ...transferFieldsSchema.shape,
  reference: toldReferenceSchema,
});

export type EntryView = z.output<typeof entryViewSchema>;

/** What an entry tells of the hold that it makes or ends, in the journal as in facts. */
export const entryHoldSchema = z.object({
  holdId: holdIdSchema.optional().describe('The hold that is made, extended or ended.'),
  dueAt: timeSchema.optional().describe('Of the hold that is made or extended.'),
  onDue: z.enum(dueActions).optional().describe('Of the hold that is made or extended.'),
  released: balanceSchema.optional().describe('What a settle of a part has released.'),
  due: z.literal(true).optional().describe('The hold has ended by itself, since it was due.'),
});
export type EntryHold = z.output<typeof entryHoldSchema>;

export const holdViewSchema = z.object({
  id: holdIdSchema,
  amount: balanceSchema,
  status: z.enum(holdStatuses),
  dueAt: timeSchema,
  onDue: z.enum(dueActions).describe('What becomes of it at `dueAt` when nobody ends it before.'),
  reference: toldReferenceSchema,
});
export type HoldView = z.output<typeof holdViewSchema>;

const fieldErrorSchema = z.object({
  field: z.string().describe('Where it is, such as amount or 3.amount'),
  message: z.string().describe('What it should be.'),
});
export type FieldError = z.output<typeof fieldErrorSchema>;

/** The same over NATS as over HTTP: a code from the one list, and words for people. */
export const errorViewSchema = z.object({
  code: z.enum(errorCodes),
  detail: z.string(),
  fields: z
    .array(fieldErrorSchema)
    .optional()
    .describe('With invalid_request: each field and what it should be.'),
  lasts: z
    .literal(true)
    .optional()
    .describe(
      'With unavailable: it will hardly be over within seconds, so it need not be tried again at once.',
    ),
  available: balanceSchema.optional().describe('With insufficient_funds: what there was.'),
  requested: balanceSchema.optional().describe('With insufficient_funds: what was asked.'),
  hold: holdViewSchema
    .optional()
    .describe(
      'With hold_not_pending, and when more is to be settled than it holds: the hold as it was then.',
    ),
});
export type ErrorView = z.output<typeof errorViewSchema>;

/** A command that was refused, or whose fate is not known (`outcome_unknown`). */
const failedOutcomeSchema = z.object({
  ok: z.literal(false),
  commandId: commandIdSchema.optional().describe('Missing when the payload had no readable id.'),
  replayed: z.boolean().optional(),
  error: errorViewSchema,
});
export type FailedOutcome = z.output<typeof failedOutcomeSchema>;

/** A command that is in the books. With `replayed` it already was, and everything is as it was then. */
const appliedOutcomeSchema = z.object({
  ok: z.literal(true),
  commandId: commandIdSchema,
  replayed: z.boolean(),
  account: accountViewSchema,
  entry: entryViewSchema,
  hold: holdViewSchema.optional().describe('The hold that was made, extended or ended, as it was then.'),
});
export type AppliedOutcome = z.output<typeof appliedOutcomeSchema>;

/** What a turn of settling came to. */
const settledOutcomeSchema = z.object({
  ok: z.literal(true),
  commandId: commandIdSchema,
  settled: z.int().describe('Holds settled since it was sent.'),
  more: z.boolean().describe('More is due: send it again.'),
  waitMs: z.int().describe('Milliseconds to wait before asking again; 0 is at once.'),
  notBefore: timeSchema
    .optional()
    .describe('`until` has not come yet by the ledger’s clock: ask again then.'),
});
export type SettledOutcome = z.output<typeof settledOutcomeSchema>;

/** What moving the test clock came to. */
export const advancedOutcomeSchema = z.object({
  ok: z.literal(true),
  commandId: commandIdSchema,
  replayed: z.boolean(),
  now: timeSchema.describe('The time that the books go by now.'),
  more: z
    .boolean()
    .describe('Not all holds that are due by `now` could be ended within a second: send 0 seconds to go on.'),
});
export type AdvancedOutcome = z.output<typeof advancedOutcomeSchema>;

const accountOutcomeSchema = z.discriminatedUnion('ok', [appliedOutcomeSchema, failedOutcomeSchema]);

/** What each kind of command is answered with. */
export const outcomeSchemas = {
  open: accountOutcomeSchema,
  'set-limit': accountOutcomeSchema,
  close: accountOutcomeSchema,
  add: accountOutcomeSchema,
  subtract: accountOutcomeSchema,
  settle: accountOutcomeSchema,
  release: accountOutcomeSchema,
  extend: accountOutcomeSchema,
  transfer: accountOutcomeSchema,
  'settle-due': z.discriminatedUnion('ok', [settledOutcomeSchema, failedOutcomeSchema]),
  'advance-clock': z.discriminatedUnion('ok', [advancedOutcomeSchema, failedOutcomeSchema]),
} as const satisfies Record<CommandKind, z.ZodType>;

export type CommandOutcome<K extends CommandKind> = z.output<(typeof outcomeSchemas)[K]>;
