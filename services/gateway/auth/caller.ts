import { z } from 'zod';
import { allowedAccountsSchema, type AccountId } from '../../../shared/contracts/primitives.ts';

/**
 * What a token can be good for, each with those before it: whoever may change a balance reads it in every answer
 * anyway.
 */
export const scopes = ['balance:read', 'balance:write', 'balance:admin'] as const;
export type Scope = (typeof scopes)[number];

/** Who asks, as a verified token says it. */
export interface Caller {
  /** Unique at the issuer; idempotency keys are this subject's own. */
  readonly subject: string;
  readonly scopes: ReadonlySet<Scope>;
  /** The accounts it is narrowed to; undefined is all of them. */
  readonly accounts: readonly AccountId[] | undefined;
  /** When its token ends, in milliseconds since 1970. */
  readonly expiresMs: number;
}

/** Characters in a subject. */
export const maxSubjectLength = 255;

/** The claims that count here, beside those about issuer and audience. */
const claimsSchema = z.object({
  sub: z
    .string()
    .min(1)
    .max(maxSubjectLength)
    // Command ids are made of it: see shared/messaging/command-id.ts.
    .refine((subject) => !subject.includes('\0') && subject.isWellFormed()),
  // RFC 8693 §4.2 has words in one string; some issuers write an array.
  scope: z
    .union([z.string().transform((words) => words.split(' ')), z.array(z.string())])
    .optional()
    .transform((words = []) => words),
  accounts: allowedAccountsSchema,
  exp: z.number(),
});

/**
 * The caller that a verified token's claims describe; or the name of the claim that can't be used.
 *
 * @param clockToleranceS for how many seconds past its end a token is taken.
 */
export function callerOf(claims: unknown, clockToleranceS: number): Caller | { readonly wrongClaim: string } {
  const parsed = claimsSchema.safeParse(claims);
  if (!parsed.success) return { wrongClaim: String(parsed.error.issues[0]?.path[0] ?? 'sub') };
  const { sub, scope, accounts, exp } = parsed.data;
  const expiresMs = (exp + clockToleranceS) * 1_000;
  return { subject: sub, scopes: withIncluded(scope), accounts, expiresMs };
}

function withIncluded(words: readonly string[]): ReadonlySet<Scope> {
  const highest = scopes.findLastIndex((scope) => words.includes(scope));
  return new Set(scopes.slice(0, highest + 1));
}
