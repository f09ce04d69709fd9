import { z } from 'zod';
import { maxDecimals } from '../money/money.ts';
import { earliestDeadlineMs } from './limits.ts';
import {
  accountIdSchema,
  allowedAccountsSchema,
  amountSchema,
  anotherAccountMessage,
  callersCommandIdSchema,
  clockSecondsSchema,
  dueInSecondsSchema,
  expectedVersionSchema,
  extendSecondsSchema,
  holdIdSchema,
  limitSchema,
  metadataSchema,
  nameSchema,
  referenceSchema,
  settleAmountSchema,
  timeSchema,
  traceparentSchema,
} from './primitives.ts';
import { onDueSchema } from './outcomes.ts';
import type { CommandKind } from './subjects.ts';

/** What every command carries beside its meaning. None of it but `id` is part of the fingerprint. */
const envelope = {
  id: callersCommandIdSchema.describe(
    'The command id. The same id and account again gives the first outcome again.',
  ),
  deadline: z
    .int()
    .min(earliestDeadlineMs, 'must be milliseconds since 1970 UTC, not seconds')
    .optional()
    .describe(
      'Milliseconds since 1970 UTC, in the ledger’s time; past it the command is not decided any more.',
    ),
  traceparent: traceparentSchema.optional().describe('W3C trace context; sent when sampled.'),
  allowedAccounts: allowedAccountsSchema.describe(
    'The accounts that the caller may touch, when it is narrowed to some.',
  ),
};

/** What an account is opened with. None of it can be changed later but the overdraft limit. */
export const openingFields = {
  name: nameSchema,
  currency: z
    .string()
    .regex(/^[A-Z0-9]{2,12}$/, 'must be 2 to 12 capital letters or digits such as EUR')
    .default('XXX')
    .describe('A currency code. XXX is ISO 4217’s “no currency”.'),
  decimals: z
    .int()
    .min(0)
    .max(maxDecimals)
    .default(2)
    .describe('Digits behind the point of the account’s amounts.'),
  overdraftLimit: limitSchema.default('0').describe('How far the balance may go below zero.'),
  metadata: metadataSchema
    .optional()
    .describe('Texts of your own by names of your own; Holdfast never reads them.'),
};

const openCommandSchema = z.strictObject({ ...envelope, accountId: accountIdSchema, ...openingFields });

/** Changes how far an account's balance may go below zero. */
const setLimitCommandSchema = z.strictObject({
  ...envelope,
  accountId: accountIdSchema,
  overdraftLimit: limitSchema.describe('How far the balance may go below zero from now on.'),
  expectedVersion: expectedVersionSchema,
});

/** Closes an account for good, with whatever is on it. */
const closeCommandSchema = z.strictObject({
  ...envelope,
  accountId: accountIdSchema,
  expectedVersion: expectedVersionSchema,
});

const addCommandSchema = z.strictObject({
  ...envelope,
  accountId: accountIdSchema,
  amount: amountSchema,
  reference: referenceSchema,
});

const subtractCommandSchema = addCommandSchema.extend({
  onDue: onDueSchema,
  dueInSeconds: dueInSecondsSchema,
});

/** Moves an amount from one account to another, at once and as a whole. */
const transferCommandSchema = addCommandSchema
  .extend({ toAccountId: accountIdSchema })
  .refine(({ accountId, toAccountId }) => accountId !== toAccountId, {
    path: ['toAccountId'],
    error: anotherAccountMessage,
  });

/** Ends a hold without taking anything: what it held is available again. */
const releaseCommandSchema = z.strictObject({
  ...envelope,
  accountId: accountIdSchema,
  holdId: holdIdSchema,
});

/** Ends a hold before it is due: what it holds is taken, or a part of it. */
const settleCommandSchema = releaseCommandSchema.extend({ amount: settleAmountSchema });

/** Has a hold fall due later than it would. */
const extendCommandSchema = releaseCommandSchema.extend({ dueInSeconds: extendSecondsSchema });

/** Settles what is due, over all accounts. It has no account of its own and is harmless to repeat. */
const settleDueCommandSchema = z.strictObject({
  id: callersCommandIdSchema,
  deadline: envelope.deadline.describe(
    'Taken and not looked at: to settle what is due is right at any time.',
  ),
  traceparent: envelope.traceparent,
  until: timeSchema
    .optional()
    .describe('Holds due at or before this time are settled; left out, it is now by the ledger’s clock.'),
  sweep: z
    .boolean()
    .default(false)
    .describe(
      'The once-a-minute turn: look from the oldest hold on, and announce what comes within the hour.',
    ),
});

/** Moves the test clock forward, where there is one, and settles what has fallen due. The same id again does not move it again. */
const advanceClockCommandSchema = z.strictObject({
  id: callersCommandIdSchema,
  deadline: envelope.deadline.describe('Taken and not looked at.'),
  traceparent: envelope.traceparent,
  seconds: clockSecondsSchema,
});

/** What a payload of each kind of command must be. */
export const commandSchemas = {
  open: openCommandSchema,
  'set-limit': setLimitCommandSchema,
  close: closeCommandSchema,
  add: addCommandSchema,
  subtract: subtractCommandSchema,
  settle: settleCommandSchema,
  release: releaseCommandSchema,
  extend: extendCommandSchema,
  transfer: transferCommandSchema,
  'settle-due': settleDueCommandSchema,
  'advance-clock': advanceClockCommandSchema,
} as const satisfies Record<CommandKind, z.ZodType>;

/** A command as a caller writes it: ids in any case, defaults left out. */
export type CommandInput<K extends CommandKind> = z.input<(typeof commandSchemas)[K]>;
/** A command as the ledger reads it. */
export type CommandPayload<K extends CommandKind> = z.output<(typeof commandSchemas)[K]>;
