import type { Knex } from 'knex';

/** Overdraft limits can be changed: an entry of a kind of its own. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`ALTER TYPE entry_kind ADD VALUE 'set-limit'`);
}

export async function down(): Promise<void> {
  throw new Error(
    'this migration is not undone: PostgreSQL takes no value from a type, and entries may have it',
  );
}
