import { z } from 'zod';
import { maxAllowedAccounts, maxPageSize } from '../../shared/contracts/limits.ts';
import { openingFields } from '../../shared/contracts/commands.ts';
import {
  accountStatuses,
  accountViewSchema,
  advancedOutcomeSchema,
  entryHoldSchema,
  entryViewSchema,
  holdStatuses,
  holdViewSchema,
  onDueSchema,
} from '../../shared/contracts/outcomes.ts';
import {
  accountIdSchema,
  amountSchema,
  anotherAccountMessage,
  balanceSchema,
  clockSecondsSchema,
  commandIdSchema,
  dueInSecondsSchema,
  expectedVersionSchema,
  extendSecondsSchema,
  holdIdSchema,
  limitSchema,
  referenceSchema,
  settleAmountSchema,
} from '../../shared/contracts/primitives.ts';
import { listOrders } from '../../shared/contracts/queries.ts';
import { afterSchema } from './events/cursor.ts';

/* What the HTTP API takes and answers when all goes well: types, checks and documentation at once. */

const exampleAccount = {
  id: '26c940a1-7228-4ea2-a3bc-e6460b172040',
  name: 'Everyday wallet',
  status: 'open',
  balance: '1700.00',
  held: '300.00',
  available: '1400.00',
  version: 3,
};
const exampleTerms = { currency: 'EUR', decimals: 2, overdraftLimit: '0.00' };
export const exampleIdentity = {
  commandId: '6f1b7c44-0b52-8c53-9b1e-2d9a019a9c3e',
  idempotencyKey: 'order-4711',
};
const exampleEntry = {
  seq: 4,
  amount: '33.48',
  at: '2026-01-31T12:00:00.043877Z',
  id: `${exampleAccount.id}:4`,
};

/** Of `/api/ping` and `/healthz`. */
export const aliveSchema = z.object({ status: z.literal('ok') }).meta({ examples: [{ status: 'ok' }] });

export const accountParamsSchema = z.strictObject({ id: accountIdSchema.describe('The account’s id.') });
export const holdParamsSchema = accountParamsSchema.extend({
  holdId: holdIdSchema.describe('The hold’s id, as `substract` answered it.'),
});

/** A whole number of the query string, where it is a text. */
function queryNumber(min: number, max: number, description: string) {
  const error = `must be a whole number from ${min} to ${max}`;
  return z
    .preprocess(
      (text) => (typeof text === 'string' && /^[0-9]{1,16}$/.test(text) ? Number(text) : text),
      z.int({ error, abort: true }).min(min, { error }).max(max, { error }),
    )
    .optional()
    .describe(description);
}

const queryReference = referenceSchema.describe('Only what has exactly this `reference`.');
const order = z
  .enum(listOrders, { error: `must be ${listOrders.join(' or ')}` })
  .optional()
  .describe('What comes first: the `oldest`, when left out, or the `newest`.');
const pageLimit = queryNumber(1, maxPageSize, 'At most so many; 100 when left out.');

export const entriesQuerySchema = z.strictObject({
  afterSeq: queryNumber(
    0,
    Number.MAX_SAFE_INTEGER,
    'Only entries behind this `seq`, in the order asked for: the last one of the page before.',
  ),
  holdId: holdIdSchema.optional().describe('Only what made and ended this hold.'),
  reference: queryReference,
  order,
  limit: pageLimit,
});
export const holdsQuerySchema = z.strictObject({
  after: holdIdSchema
    .optional()
    .describe('Only holds behind this `id`, in the order asked for: the last one of the page before.'),
  status: z.enum(holdStatuses).optional().describe('Only holds of this status.'),
  reference: queryReference,
  order,
  limit: pageLimit,
});

export const accountsQuerySchema = z.strictObject({
  after: accountIdSchema
    .optional()
    .describe('Only accounts with an `id` behind this one: the last of the page before.'),
  status: z.enum(accountStatuses).optional().describe('Only accounts of this status.'),
  limit: pageLimit,
});

const accountListMessage = `must be 1 to ${maxAllowedAccounts} account ids with commas between them`;
const accountListSchema = z.array(accountIdSchema).min(1).max(maxAllowedAccounts);
/** In a query string, where a field may not be there twice. */
const accountList = z
  .string({ error: accountListMessage })
  .transform((text, context): z.output<typeof accountListSchema> => {
    const parsed = accountListSchema.safeParse(text.split(','));
    if (parsed.success) return parsed.data;
    context.addIssue({ code: 'custom', message: accountListMessage });
    return z.NEVER;
  });

export const eventsQuerySchema = z.strictObject({
  account: accountList.optional().describe('Only facts about these accounts: ids with commas between them.'),
  after: afterSchema
    .optional()
    .describe(
      'Goes on right behind the event with this `id`, or with `oldest` begins with what is kept. `Last-Event-ID` wins.',
    ),
});

/** Documentation only: `routes/events.ts` reads the header. */
export const eventsHeadersSchema = z.object({
  'Last-Event-ID': z
    .string()
    .optional()
    .describe('Goes on right behind the event with this `id`. A browser’s `EventSource` sends it by itself.'),
});

export const openBodySchema = accountParamsSchema
  .extend({ id: accountIdSchema.describe('The new account’s id, chosen by you.'), ...openingFields })
  .meta({
    examples: [
      { id: exampleAccount.id, name: exampleAccount.name },
      {
        id: exampleAccount.id,
        name: exampleAccount.name,
        ...exampleTerms,
        overdraftLimit: '250.00',
        metadata: { customer: 'c-4711' },
      },
    ],
  });
export const setLimitBodySchema = accountParamsSchema
  .extend({ overdraftLimit: limitSchema, expectedVersion: expectedVersionSchema })
  .meta({ examples: [{ id: exampleAccount.id, overdraftLimit: '250.00' }] });

export const closeBodySchema = accountParamsSchema
  .extend({ expectedVersion: expectedVersionSchema })
  .meta({ examples: [{ id: exampleAccount.id }, { id: exampleAccount.id, expectedVersion: 3 }] });

const amountBody = accountParamsSchema.extend({ amount: amountSchema, reference: referenceSchema });
export const addBodySchema = amountBody.meta({
  examples: [
    { id: exampleAccount.id, amount: '33.48' },
    { id: exampleAccount.id, amount: '33.48', reference: 'invoice 2026-0815' },
  ],
});

const otherAccountId = '7a0f7a61-5d0b-4d55-8c2e-3f6c8f1b9e10';
export const transferBodySchema = amountBody
  .extend({ to: accountIdSchema.describe('The account that is paid.') })
  .refine(({ id, to }) => id !== to, { path: ['to'], error: anotherAccountMessage })
  .meta({
    examples: [{ id: exampleAccount.id, to: otherAccountId, amount: '33.48', reference: 'rent' }],
  });

export const exampleHold = {
  id: '019a9c3e-5b1a-7c3e-8f00-2d9a6f1b7c44',
  amount: '33.48',
  status: 'pending',
  dueAt: '2026-01-31T12:10:01Z',
  onDue: 'settle',
};

export const extendBodySchema = holdParamsSchema
  .extend({ dueInSeconds: extendSecondsSchema })
  .meta({ examples: [{ id: exampleAccount.id, holdId: exampleHold.id, dueInSeconds: 86_400 }] });
export const releaseBodySchema = holdParamsSchema.meta({
  examples: [{ id: exampleAccount.id, holdId: exampleHold.id }],
});
export const settleBodySchema = holdParamsSchema
  .extend({ amount: settleAmountSchema })
  .meta({ examples: [{ id: exampleAccount.id, holdId: exampleHold.id, amount: '20.00' }] });

export const subtractBodySchema = amountBody
  .extend({ onDue: onDueSchema, dueInSeconds: dueInSecondsSchema })
  .meta({
    examples: [
      { id: exampleAccount.id, amount: '33.48' },
      {
        id: exampleAccount.id,
        amount: '33.48',
        reference: 'order 4711',
        dueInSeconds: 1_800,
        onDue: 'release',
      },
    ],
  });

/** Documentation only: `command-identity.ts` reads the header. */
export const commandHeadersSchema = z.object({
  'Idempotency-Key': z
    .string()
    .min(1)
    .max(255)
    .regex(/^[\x21-\x7e]+$/)
    .optional()
    .describe(
      'Sending a request again with the same key applies it once and gives the first outcome again. ' +
        'Without one a key is made up, and answered. 1 to 255 visible ASCII characters.',
    ),
});

export const statusAnswerSchema = accountViewSchema
  .omit({ metadata: true })
  .meta({ id: 'Status', examples: [{ ...exampleAccount, ...exampleTerms }] });

export const accountsAnswerSchema = z.object({ accounts: z.array(accountViewSchema) }).meta({
  id: 'Accounts',
  examples: [{ accounts: [{ ...exampleAccount, ...exampleTerms, metadata: { customer: 'c-4711' } }] }],
});

/** What the answer to every command tells of the account: what changes, and what people call it. */
const changedAccount = accountViewSchema.pick({
  id: true,
  name: true,
  status: true,
  balance: true,
  held: true,
  available: true,
  version: true,
});

const commandIdentity = {
  commandId: commandIdSchema,
  idempotencyKey: z.string().describe('The key that was sent, or one made up.'),
};

const addAnswer = changedAccount.extend({
  entry: entryViewSchema.describe('What the command wrote into the journal.'),
  ...commandIdentity,
});
export const addAnswerSchema = addAnswer.meta({
  id: 'Added',
  examples: [
    {
      ...exampleAccount,
      balance: '1733.48',
      available: '1433.48',
      version: 4,
      entry: { ...exampleEntry, kind: 'add' },
      ...exampleIdentity,
    },
  ],
});

const exampleOpening = { balance: '0.00', held: '0.00', available: '0.00', version: 1 };
export const openAnswerSchema = addAnswer.meta({
  id: 'Opened',
  examples: [
    {
      ...exampleAccount,
      ...exampleOpening,
      entry: { ...exampleEntry, id: `${exampleAccount.id}:1`, seq: 1, kind: 'open', amount: '0.00' },
      ...exampleIdentity,
    },
  ],
});
export const setLimitAnswerSchema = addAnswer.meta({
  id: 'LimitSet',
  examples: [
    {
      ...exampleAccount,
      available: '1650.00',
      version: 4,
      entry: { ...exampleEntry, kind: 'set-limit', amount: '0.00' },
      ...exampleIdentity,
    },
  ],
});
export const closeAnswerSchema = addAnswer.meta({
  id: 'Closed',
  examples: [
    {
      ...exampleAccount,
      status: 'closed',
      version: 4,
      entry: { ...exampleEntry, kind: 'close', amount: '0.00' },
      ...exampleIdentity,
    },
  ],
});

export const transferAnswerSchema = addAnswer.meta({
  id: 'Transferred',
  examples: [
    {
      ...exampleAccount,
      balance: '1666.52',
      available: '1366.52',
      version: 4,
      entry: { ...exampleEntry, kind: 'transfer-out', toAccountId: otherAccountId, reference: 'rent' },
      ...exampleIdentity,
    },
  ],
});

export const subtractAnswerSchema = addAnswer
  .extend({
    hold: holdViewSchema.describe(
      'The hold, which is settled (or released, if so asked) at `dueAt` unless it is ended before.',
    ),
  })
  .meta({
    id: 'Subtracted',
    examples: [
      {
        ...exampleAccount,
        held: '333.48',
        available: '1366.52',
        version: 4,
        entry: { ...exampleEntry, kind: 'subtract' },
        hold: exampleHold,
        ...exampleIdentity,
      },
    ],
  });

export const entriesAnswerSchema = z
  .object({
    entries: z.array(
      entryViewSchema.extend({
        commandId: commandIdSchema,
        ...entryHoldSchema.shape,
        balance: balanceSchema,
        held: balanceSchema,
        available: balanceSchema,
      }),
    ),
  })
  .meta({
    id: 'Entries',
    examples: [
      {
        entries: [
          {
            ...exampleEntry,
            kind: 'add',
            reference: 'invoice 2026-0815',
            commandId: exampleIdentity.commandId,
            balance: '1733.48',
            held: '300.00',
            available: '1433.48',
          },
        ],
      },
    ],
  });

export const holdsAnswerSchema = z
  .object({ holds: z.array(holdViewSchema) })
  .meta({ id: 'Holds', examples: [{ holds: [exampleHold] }] });

export const holdAnswerSchema = holdViewSchema.meta({ id: 'Hold', examples: [exampleHold] });

export const extendAnswerSchema = addAnswer
  .extend({ hold: holdViewSchema.describe('The hold, with the time at which it is due now.') })
  .meta({
    id: 'Extended',
    examples: [
      {
        ...exampleAccount,
        version: 5,
        entry: { ...exampleEntry, id: `${exampleAccount.id}:5`, seq: 5, kind: 'extend' },
        hold: { ...exampleHold, dueAt: '2026-02-01T12:00:01Z' },
        ...exampleIdentity,
      },
    ],
  });

const endAnswer = addAnswer.extend({ hold: holdViewSchema.describe('The hold, which has ended.') });
export const settleAnswerSchema = endAnswer.meta({
  id: 'Settled',
  examples: [
    {
      ...exampleAccount,
      balance: '1680.00',
      available: '1380.00',
      version: 5,
      entry: { ...exampleEntry, id: `${exampleAccount.id}:5`, seq: 5, amount: '20.00', kind: 'settle' },
      hold: { ...exampleHold, status: 'settled' },
      ...exampleIdentity,
    },
  ],
});
export const releaseAnswerSchema = endAnswer.meta({
  id: 'Released',
  examples: [
    {
      ...exampleAccount,
      version: 5,
      entry: { ...exampleEntry, id: `${exampleAccount.id}:5`, seq: 5, kind: 'release' },
      hold: { ...exampleHold, status: 'released' },
      ...exampleIdentity,
    },
  ],
});

export const advanceClockBodySchema = z
  .strictObject({ seconds: clockSecondsSchema })
  .meta({ examples: [{ seconds: 600 }] });
export const advanceClockAnswerSchema = z
  .object({
    ...advancedOutcomeSchema.omit({ ok: true, commandId: true, replayed: true }).shape,
    ...commandIdentity,
  })
  .meta({
    id: 'ClockAdvanced',
    examples: [{ now: '2026-01-31T12:10:00.043877Z', more: false, ...exampleIdentity }],
  });

export type AccountParams = z.output<typeof accountParamsSchema>;
export type StatusAnswer = z.output<typeof statusAnswerSchema>;
export type HoldParams = z.output<typeof holdParamsSchema>;
export type EntriesQuery = z.output<typeof entriesQuerySchema>;
export type EntriesAnswer = z.output<typeof entriesAnswerSchema>;
export type HoldsQuery = z.output<typeof holdsQuerySchema>;
export type AccountsQuery = z.output<typeof accountsQuerySchema>;
export type EventsQuery = z.output<typeof eventsQuerySchema>;
export type OpenBody = z.output<typeof openBodySchema>;
export type SetLimitBody = z.output<typeof setLimitBodySchema>;
export type CloseBody = z.output<typeof closeBodySchema>;
export type AddBody = z.output<typeof addBodySchema>;
export type SubtractBody = z.output<typeof subtractBodySchema>;
export type TransferBody = z.output<typeof transferBodySchema>;
export type SettleBody = z.output<typeof settleBodySchema>;
export type ExtendBody = z.output<typeof extendBodySchema>;
export type ReleaseBody = z.output<typeof releaseBodySchema>;
export type AdvanceClockBody = z.output<typeof advanceClockBodySchema>;
export type AdvanceClockAnswer = z.output<typeof advanceClockAnswerSchema>;
export type AddAnswer = z.output<typeof addAnswerSchema>;
export type SubtractAnswer = z.output<typeof subtractAnswerSchema>;

export const readySchema = z.object({ status: z.literal('ready') }).meta({ examples: [{ status: 'ready' }] });
export const notReadySchema = z
  .object({
    status: z.literal('not ready'),
    missing: z.array(z.string()).describe('What is missing, in words for people.'),
  })
  .meta({
    examples: [
      {
        status: 'not ready',
        missing: ['ledger: no good answer on balance.query.ping: No ledger is listening.'],
      },
    ],
  });
