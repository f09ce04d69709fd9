import { parseArgs } from 'node:util';
import { z } from 'zod';
import { openingFields } from '../../shared/contracts/commands.ts';
import { maxDecimals } from '../../shared/money/money.ts';
import { MendableProblem } from '../accounts/mendable-problem.ts';
import { messageOf } from '../../shared/telemetry/describe-error.ts';

export const usage = `npm run import-subscribers -- --from URL [options]
  --from URL             the old service's PostgreSQL: postgres://user@host:5432/database
                         (the password from PGPASSWORD or ~/.pgpass, or in the URL)
  --table NAME           its table or view: subscribers, or schema.name       (subscribers)
  --id-column NAME       the account's id: uuid, or text that is one          (id)
  --name-column NAME     its name: text                                       (name)
  --balance-column NAME  its balance, what is held included: integer          (balance)
  --hold-column NAME     what is held of it: integer                          (hold)
  --status-column NAME   boolean, true is open                                (status)
  --amounts UNIT         whole: 1700 is 1700.00; minor: 1700 is 17.00         (whole)
  --currency CODE        the currency of the accounts                         (XXX)
  --decimals N           its decimals, 0 to ${maxDecimals}                                  (2)
  --dry-run              read and check everything, open nothing
Ends with 0 when every subscriber has its account, 1 when rows were left out or the totals differ, 2 when it could not
begin or go on. Running it again goes on where it was, and changes nothing that is done.`;

const columnSchema = z.string().min(1, 'must be the name of a column');

const optionsSchema = z.object({
  from: z
    .string({
      error: 'is missing: the URL of the old database, such as postgres://reader@127.0.0.1:5432/flask',
    })
    .regex(/^postgres(?:ql)?:\/\//u, 'must be a URL that begins with postgres://'),
  table: z
    .string()
    .regex(/^[^.]+(?:\.[^.]+)?$/u, 'must be the name of a table or view, or schema.name')
    .default('subscribers'),
  'id-column': columnSchema.default('id'),
  'name-column': columnSchema.default('name'),
  'balance-column': columnSchema.default('balance'),
  'hold-column': columnSchema.default('hold'),
  'status-column': columnSchema.default('status'),
  amounts: z.enum(['whole', 'minor'], 'must be whole or minor').default('whole'),
  currency: openingFields.currency,
  decimals: z
    .string()
    .regex(new RegExp(`^[0-${maxDecimals}]$`, 'u'), `must be a number from 0 to ${maxDecimals}`)
    .default('2')
    .transform(Number),
  'dry-run': z.boolean().default(false),
});

export type ImportOptions = ReturnType<typeof readOptions>;

/** What the words after `--` ask for. Throws a `MendableProblem` that names all that is wrong with them. */
export function readOptions(args: readonly string[]) {
  const parsed = optionsSchema.safeParse(readWords(args));
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `--${path.join('.')} ${message}`);
    throw wrongOptions(problems.join('\n'));
  }
  const { data } = parsed;
  return {
    from: data.from,
    table: data.table,
    columns: {
      id: data['id-column'],
      name: data['name-column'],
      balance: data['balance-column'],
      hold: data['hold-column'],
      status: data['status-column'],
    },
    /** How the table's amounts become money. */
    money: { amounts: data.amounts, currency: data.currency, decimals: data.decimals },
    dryRun: data['dry-run'],
  };
}

function readWords(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        from: text,
        table: text,
        'id-column': text,
        'name-column': text,
        'balance-column': text,
        'hold-column': text,
        'status-column': text,
        amounts: text,
        currency: text,
        decimals: text,
        'dry-run': { type: 'boolean' },
      },
    });
    return values;
  } catch (error) {
    throw wrongOptions(messageOf(error));
  }
}

function wrongOptions(problem: string): MendableProblem {
  return new MendableProblem(`${problem}\n\n${usage}`);
}
