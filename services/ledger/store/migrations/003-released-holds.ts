import type { Knex } from 'knex';

/** Holds can be released: entries of a kind of their own, which name their hold as those of the other two do. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TYPE entry_kind ADD VALUE 'release';
    ALTER TABLE entries
      DROP CONSTRAINT hold_entries_name_their_hold,
      -- The other kinds are named, as a value is not to be used in the transaction that adds it.
      -- NOT VALID: the entries of before kept to the rule of before, which asked as much of them. A journal may be too long
      -- to be read through while nobody can write.
      ADD CONSTRAINT hold_entries_name_their_hold
        CHECK (kind IN ('open', 'close', 'add') OR hold_id IS NOT NULL) NOT VALID;
  `);
}

export async function down(): Promise<void> {
  throw new Error(
    'this migration is not undone: PostgreSQL takes no value from a type, and entries may have it',
  );
}
