import type { Knex } from 'knex';

/** Transfers: an entry of a kind of its own on each of the two accounts. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TYPE entry_kind ADD VALUE 'transfer-out';
    ALTER TYPE entry_kind ADD VALUE 'transfer-in';
    -- The kinds that name a hold, not those that don't: the new values are not to be used in the transaction that adds them.
    -- NOT VALID as before: the entries that are there kept to a rule that asked as much of them.
    ALTER TABLE entries
      DROP CONSTRAINT hold_entries_name_their_hold,
      ADD CONSTRAINT hold_entries_name_their_hold
        CHECK (kind NOT IN ('subtract', 'settle', 'release') OR hold_id IS NOT NULL) NOT VALID;
  `);
}

export async function down(): Promise<void> {
  throw new Error(
    'this migration is not undone: PostgreSQL takes no value from a type, and entries may have it',
  );
}
