import type { Client } from 'pg';
import { createClient } from '../../services/ledger/store/create-client.ts';
import { hidePasswords } from '../../shared/config/parse-settings.ts';
import { MendableProblem } from '../accounts/mendable-problem.ts';
import { messageOf } from '../../shared/telemetry/describe-error.ts';
import type { ImportOptions } from './options.ts';
import { moneyOf, type SubscriberRow } from './subscriber.ts';
import type { Totals } from './tally.ts';

const connectMs = 5_000;

/** Rows in one page: few enough that a ledger has room for a question about each, and for asking it again. */
const pageRows = 100;

type Role = keyof ImportOptions['columns'];

const text = ['text', 'varchar', 'bpchar'];
const integer = ['int2', 'int4', 'int8'];

/** The PostgreSQL types that each column may have, and how people call them. */
const types: Readonly<Record<Role, { readonly names: readonly string[]; readonly words: string }>> = {
  id: { names: ['uuid', ...text], words: 'uuid or text' },
  name: { names: text, words: 'text' },
  balance: { names: integer, words: 'an integer' },
  hold: { names: integer, words: 'an integer' },
  status: { names: ['bool'], words: 'boolean' },
};

/** The old service's table, as it was at one moment. */
export interface SourceTable {
  readonly totals: Totals;
  /** All rows, a page at a time, always in the same order. */
  pages(): AsyncGenerator<SubscriberRow[]>;
}

/**
 * Runs `use` with the old table, in one read-only snapshot; nothing is written there. Throws a `MendableProblem` when it
 * can't be read, or is not what the options say.
 */
export async function withSourceTable<Result>(
  options: Pick<ImportOptions, 'from' | 'table' | 'columns' | 'money'>,
  use: (table: SourceTable) => Promise<Result>,
): Promise<Result> {
  const client = await connect(options.from);
  try {
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    // A page here may take longer than their server lets a transaction wait.
    await client.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    const table = await openTable(client, options);
    return await use(table);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function connect(from: string): Promise<Client> {
  try {
    const client = createClient({ connectionString: from, connectionTimeoutMillis: connectMs });
    await client.connect();
    return client;
  } catch (error) {
    throw new MendableProblem(
      `the old database can't be read at ${hidePasswords(from)}: ${messageOf(error)}`,
    );
  }
}

async function openTable(
  client: Client,
  { table, columns, money }: Pick<ImportOptions, 'table' | 'columns' | 'money'>,
): Promise<SourceTable> {
  const name = table
    .split('.')
    .map((part) => client.escapeIdentifier(part))
    .join('.');
  await checkColumns(client, { table, name, columns });
  const column = (role: Role) => client.escapeIdentifier(columns[role]);
  const ask = async <Row extends object>(sql: string): Promise<Row[]> => {
    try {
      return (await client.query<Row>(sql)).rows;
    } catch (error) {
      throw new MendableProblem(`the old table ${table} can't be read: ${messageOf(error)}`);
    }
  };

  const [sums] = await ask<{ rows: string; balance: string | null; held: string | null }>(
    `SELECT count(*) AS rows, sum(${column('balance')})::text AS balance, sum(${column('hold')})::text AS held FROM ${name}`,
  );
  const sortKey = `lower(${column('id')}::text) COLLATE "C"`;
  return {
    totals: {
      rows: Number(sums?.rows ?? 0),
      balance: moneyOf(sums?.balance ?? null, money),
      held: moneyOf(sums?.held ?? null, money),
    },
    pages: async function* pages() {
      await ask(
        `DECLARE subscribers NO SCROLL CURSOR FOR
         SELECT ${column('id')}::text AS id, ${column('name')}::text AS name, ${column('balance')}::text AS balance,
                ${column('hold')}::text AS hold, ${column('status')} AS status,
                (count(*) OVER (PARTITION BY ${sortKey}))::int AS copies
         FROM ${name} ORDER BY ${sortKey}, 2, 3, 4, 5`,
      );
      for (;;) {
        const rows = await ask<SubscriberRow>(`FETCH ${pageRows} FROM subscribers`);
        if (rows.length === 0) return;
        yield rows;
      }
    },
  };
}

/** All columns must be there and of a type that can be read, before anything is done with the first row. */
async function checkColumns(
  client: Client,
  { table, name, columns }: Pick<ImportOptions, 'table' | 'columns'> & { readonly name: string },
): Promise<void> {
  const { rows } = await client.query<{ column: string; type: string }>(
    `SELECT attname AS column, typname AS type FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [name],
  );
  if (rows.length === 0) throw new MendableProblem(`there is no table or view ${table}: name it by --table`);
  const typeOf = new Map(rows.map(({ column, type }) => [column, type]));
  const roles = Object.keys(types) as Role[];
  const problems = roles.flatMap((role) => {
    const column = columns[role];
    const type = typeOf.get(column);
    if (type === undefined) {
      return `${table} has no column ${column} (it has ${[...typeOf.keys()].join(', ')}): name it by --${role}-column`;
    }
    const { names, words } = types[role];
    return names.includes(type)
      ? []
      : `the column ${column} is of type ${type}, but the ${role} must be ${words}: make a view where it is, ` +
          'and name that by --table';
  });
  if (problems.length > 0) throw new MendableProblem(problems.join('\n'));
}
