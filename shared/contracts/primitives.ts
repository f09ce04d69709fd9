import { z } from 'zod';
import { decimalPattern, maxDecimals, maxIntegerDigits, positiveDecimalPattern } from '../money/money.ts';
import {
  maxAllowedAccounts,
  maxHoldSeconds,
  maxMetadataBytes,
  maxNameLength,
  maxReferenceLength,
} from './limits.ts';

/** An account's id: a uuid in lower case. */
export type AccountId = string & { readonly __brand: 'AccountId' };
/** A hold's id: a uuid (version 7) in lower case. */
export type HoldId = string & { readonly __brand: 'HoldId' };
/** A command's id, unique per account: a uuid in lower case. */
export type CommandId = string & { readonly __brand: 'CommandId' };

/** Any uuid, of any version, in any letter case; read in lower case. */
const uuidPattern = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;
const uuidMessage = 'must be a uuid such as 26c940a1-7228-4ea2-a3bc-e6460b172040';

const uuid = z
  .string({ error: uuidMessage })
  .regex(uuidPattern, { error: uuidMessage, abort: true })
  .toLowerCase();

/** A schema whose text is read as an id of one kind, with an example for the documentation. */
function idSchema<Id extends string>(schema: z.ZodString, example: string): z.ZodType<Id, string> {
  return schema.meta({ format: 'uuid', examples: [example] }) as unknown as z.ZodType<Id, string>;
}

export const accountIdSchema = idSchema<AccountId>(uuid, '26c940a1-7228-4ea2-a3bc-e6460b172040');
export const holdIdSchema = idSchema<HoldId>(uuid, '019a9c3e-5b1a-7c3e-8f00-2d9a6f1b7c44');
const exampleCommandId = '6f1b7c44-0b52-4c53-9b1e-2d9a019a9c3e';
export const commandIdSchema = idSchema<CommandId>(uuid, exampleCommandId);

/**
 * The id of a command that a caller sends. Those of the reserved variant (17th digit e or f, which no generator of
 * uuids makes) are the ledger's own: whoever could take the id of a hold's settling before its time, and knowing the
 * hold is enough for that, could keep it from ever being settled.
 */
export const callersCommandIdSchema = idSchema<CommandId>(
  uuid.regex(/^.{19}[0-9a-d]/, 'must be a uuid whose 17th digit is not e or f, as every generated one'),
  exampleCommandId,
);

const amountMessage =
  `must be a decimal string above zero such as "33.48": at most ${maxIntegerDigits} digits before the point, ` +
  `at most the currency's decimals (never more than ${maxDecimals}) behind it, no sign, blank, exponent or leading zero`;

/** An amount of money on the wire: a decimal string above zero. */
export const amountSchema = z
  .string({ error: amountMessage })
  .regex(positiveDecimalPattern, amountMessage)
  .meta({ description: 'A decimal string above zero; never a number.', examples: ['33.48'] });

const holdSecondsSchema = z.int().min(1).max(maxHoldSeconds);

/** When a hold falls due. */
export const dueInSecondsSchema = holdSecondsSchema
  .optional()
  .describe('Seconds until the hold falls due. Left out, as many as the ledger is set to.');

/** When a hold that is there falls due. */
export const extendSecondsSchema = holdSecondsSchema.describe(
  'Seconds from now until the hold falls due; it never falls due earlier than it did before.',
);

/** How far the test clock is moved. */
export const clockSecondsSchema = z
  .int()
  .min(0)
  .max(maxHoldSeconds)
  .describe('Seconds that the test clock is moved forward by. With 0 it stays, and what is due is settled.');

/** How much of a hold is settled. */
export const settleAmountSchema = amountSchema
  .optional()
  .describe('How much of the hold is taken; the rest is released. Left out, it is all of it.');

/** What is said of a transfer from an account to itself. */
export const anotherAccountMessage = 'must be another account than the one that pays';

/** The accounts that a caller may touch, when it is narrowed to some. */
export const allowedAccountsSchema = z.array(accountIdSchema).min(1).max(maxAllowedAccounts).optional();

/** What makes a command depend on nothing having changed since its caller looked. */
export const expectedVersionSchema = z
  .int()
  .min(1)
  .optional()
  .describe('The account’s `version` as you have seen it: with any other it is `version_conflict`.');

const limitMessage = 'must be a decimal string such as "0" or "250.00"';

/** A limit on the wire: as an amount, and it may be zero. */
export const limitSchema = z
  .string({ error: limitMessage })
  .regex(decimalPattern, limitMessage)
  .meta({ examples: ['0.00'] });

/** A balance as it is answered: a decimal string that may be negative (an overdraft). */
export const balanceSchema = z
  .string()
  .regex(/^-?[0-9]+(?:\.[0-9]+)?$/)
  .meta({ examples: ['1400.00'] });

/** A point in time as it is answered: RFC 3339, UTC. */
export const timeSchema = z.iso
  .datetime({ precision: null, error: 'must be a time in UTC such as 2026-01-31T12:00:00.000Z' })
  .meta({ examples: ['2026-01-31T12:00:00.000Z'] });

/** U+0000 can't be stored by Postgres, and lone surrogates have no UTF-8: both are refused at the door. */
function isStorableText(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed();
}

/** Nobody means them in a line of text, and in JSON each takes six bytes or ends the line. */
const notOfALine = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** One line of text for people. Its length is in units of UTF-16, of three bytes of UTF-8 at most; zod's `max` counts code points, of which some are two. */
function lineSchema(maxLength: number): z.ZodString {
  const error = `must be a text of 1 to ${maxLength} characters, without control characters, line ends or halves of surrogate pairs`;
  return z
    .string({ error })
    .min(1, { error, abort: true })
    .max(maxLength, { error, abort: true })
    .refine((text) => text.length <= maxLength && isStorableText(text) && !notOfALine.test(text), error);
}

export const nameSchema = lineSchema(maxNameLength);

/** What money is for, in the caller's own words. */
export const referenceSchema = lineSchema(maxReferenceLength)
  .optional()
  .meta({
    description:
      'What it is for, in words of your own such as an order number, on one line. It stands in the journal for good.',
    examples: ['order 4711'],
  });

/** zod leaves a member of this name out of what it gives, without a word: data of the caller's would get lost. */
const hasProtoMember = (data: unknown): boolean =>
  typeof data === 'object' && data !== null && Object.hasOwn(data, '__proto__');

/** Flat, small data of the caller's own, kept beside an account; Holdfast never reads it. */
export const metadataSchema = z
  .unknown()
  .refine((data) => !hasProtoMember(data), { error: 'must have no member named __proto__', abort: true })
  .pipe(
    z
      .record(
        z.string().min(1).max(64).refine(isStorableText, 'must not hold U+0000 or lone surrogates'),
        z.string().max(500).refine(isStorableText, 'must not hold U+0000 or lone surrogates'),
      )
      .refine(
        (data) => Buffer.byteLength(JSON.stringify(data)) <= maxMetadataBytes,
        `must be at most ${maxMetadataBytes} bytes as JSON`,
      ),
  ) as unknown as z.ZodType<Readonly<Record<string, string>>>;

/** W3C Trace Context, version 00: https://www.w3.org/TR/trace-context/#traceparent-header */
export const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

export const traceparentSchema = z.string().regex(traceparentPattern, 'must be a W3C traceparent');
