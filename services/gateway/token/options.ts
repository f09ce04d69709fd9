import { parseArgs } from 'node:util';
import { z } from 'zod';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import { maxAllowedAccounts } from '../../../shared/contracts/limits.ts';
import { accountIdSchema } from '../../../shared/contracts/primitives.ts';
import { maxSubjectLength, scopes } from '../auth/caller.ts';
import type { TokenRequest } from '../auth/sign-token.ts';

export const usage = `npm run -s token -- --scope SCOPE [options]
  --scope SCOPE     ${scopes.join(', ')} (each includes those before it)
  --expires PERIOD  how long it is good for: 90s, 30m, 1h, 7d, at most 366d   (1h)
  --account ID      narrows it to this account; up to ${maxAllowedAccounts} times
  --subject NAME    whom it stands for; idempotency keys are this name's own   (operator)
Prints the token alone, signed with APP_SECRET_KEY (from the environment or .env), as the gateway takes it.`;

const dayS = 86_400;
const unitsS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: dayS };
const maxLifetimeS = 366 * dayS;

/** What is wrong with the arguments after `--`, and what they could be. */
export class WrongOptions extends Error {
  constructor(problem: string) {
    super(`${problem}\n\n${usage}`);
    this.name = 'WrongOptions';
  }
}

const optionsSchema = z.object({
  scope: z
    .array(z.enum(scopes, `must be one of ${scopes.join(', ')}`))
    .min(1, `is missing: one of ${scopes.join(', ')}`),
  expires: z.string().transform((text, context) => {
    const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
    const lifetimeS = Number(count) * (unitsS[unit] ?? 0);
    if (lifetimeS >= 1 && lifetimeS <= maxLifetimeS) return lifetimeS;
    context.addIssue({
      code: 'custom',
      message: 'must be a period such as 90s, 30m, 1h or 7d, at most 366d',
    });
    return z.NEVER;
  }),
  account: z.array(accountIdSchema).max(maxAllowedAccounts, `may be there ${maxAllowedAccounts} times`),
  subject: z
    .string()
    .min(1, 'must not be empty')
    .max(maxSubjectLength, `may have ${maxSubjectLength} characters`),
});

/** What the arguments after `--` ask for; undefined is for help. Throws `WrongOptions`, which names all that is wrong. */
export function readOptions(args: readonly string[]): TokenRequest | undefined {
  const given = parseArguments(args);
  if (given.help === true) return undefined;
  const parsed = optionsSchema.safeParse({
    ...given,
    // Several may stand in one argument, as in the claim.
    scope: given.scope.flatMap((word) => word.split(/[ ,]+/)).filter((word) => word !== ''),
  });
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `--${String(path[0])} ${message}`);
    throw new WrongOptions([...new Set(problems)].join('\n'));
  }
  const { scope, expires, account, subject } = parsed.data;
  return { scopes: scope, lifetimeS: expires, subject, accounts: account.length === 0 ? undefined : account };
}

function parseArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        scope: { type: 'string', multiple: true, default: [] },
        expires: { type: 'string', default: '1h' },
        account: { type: 'string', multiple: true, default: [] },
        // Always the same: were it made up, a command sent again with a new token would be another one.
        subject: { type: 'string', default: 'operator' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new WrongOptions(messageOf(error));
  }
}
