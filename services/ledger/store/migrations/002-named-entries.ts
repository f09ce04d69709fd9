import type { Knex } from 'knex';

/**
 * A row of the outbox names the entries that an event tells of, of each account from one to another; its payload has only
 * the facts that no entry tells. Rows of before have all facts there, and name none.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE outbox
      ADD COLUMN account_ids uuid[]   NOT NULL DEFAULT '{}',
      ADD COLUMN first_seqs  bigint[] NOT NULL DEFAULT '{}',
      ADD COLUMN last_seqs   bigint[] NOT NULL DEFAULT '{}',
      -- As of the payload: not worth compressing for milliseconds.
      ALTER COLUMN account_ids SET STORAGE EXTERNAL,
      ALTER COLUMN first_seqs  SET STORAGE EXTERNAL,
      ALTER COLUMN last_seqs   SET STORAGE EXTERNAL
  `);
}

export async function down(): Promise<void> {
  throw new Error('this migration is not undone: rows that name entries would lose what they are to tell');
}
