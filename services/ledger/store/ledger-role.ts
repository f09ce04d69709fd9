import { DatabaseError, type Client } from 'pg';

/*
 * The ledger works as a role that can do what a ledger does and no more: it adds to the journal and can't change or delete
 * an entry, nor any table. Whoever owns the database migrates it.
 */

/** What the ledger may do with each table. Columns are named where only some of them ever change. */
const privileges = {
  accounts: 'SELECT, INSERT, UPDATE (balance, held, overdraft_limit, status, seq, chain_head, last_entry_at)',
  entries: 'SELECT, INSERT',
  holds: 'SELECT, INSERT, UPDATE (remaining, due_at, status, version)',
  refusals: 'SELECT, INSERT, DELETE',
  outbox: 'SELECT, INSERT, DELETE',
  announcements: 'SELECT, UPDATE',
  test_clock: 'SELECT, UPDATE',
  test_clock_moves: 'SELECT, INSERT',
  knex_migrations: 'SELECT',
} as const;

const maxNameLength = 63;
const suffix = '_ledger';

/** Roles belong to the whole server, so each database has one of its own name. */
export function ledgerRoleOf(database: string): string {
  return `${database.slice(0, maxNameLength - suffix.length)}${suffix}`;
}

/**
 * Makes the role when it is missing and gives it its privileges, and itself to whoever is connected and to `loginUser`.
 * Safe to repeat; one at a time.
 *
 * @returns undefined when the connected user may not do that, and so nothing was changed.
 */
export async function grantLedgerRole(
  client: Client,
  database: string,
  loginUser?: string,
): Promise<string | undefined> {
  const role = ledgerRoleOf(database);
  const name = client.escapeIdentifier(role);
  await client.query('BEGIN');
  try {
    const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
    if (rowCount === 0) await client.query(`CREATE ROLE ${name} NOLOGIN`);
    await client.query(`GRANT USAGE ON SCHEMA public TO ${name}`);
    for (const [table, allowed] of Object.entries(privileges)) {
      await client.query(`REVOKE ALL ON ${table} FROM ${name}`);
      await client.query(`GRANT ${allowed} ON ${table} TO ${name}`);
    }
    await client.query(`GRANT ${name} TO CURRENT_USER`);
    if (loginUser !== undefined) await client.query(`GRANT ${name} TO ${client.escapeIdentifier(loginUser)}`);
    await client.query('COMMIT');
    return role;
  } catch (error) {
    await client.query('ROLLBACK');
    if (error instanceof DatabaseError && error.code === insufficientPrivilege) return undefined;
    throw error;
  }
}

const insufficientPrivilege = '42501';
