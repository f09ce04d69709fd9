import type { Knex } from 'knex';

/** How far the test clock has been moved. Zero for ever where no test clock is: all that goes by the books' time adds it. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE test_clock (
      only_row        boolean        PRIMARY KEY DEFAULT true CHECK (only_row),
      -- A hundred years and ten more for a hold are times that microseconds in a double tell exactly.
      ahead           interval       NOT NULL CHECK (ahead BETWEEN interval '0' AND interval '876600 hours'),
      -- The command that moved it last: sent again, it does not move it again.
      moved_by        uuid
    );
    INSERT INTO test_clock (ahead) VALUES (interval '0');
  `);
}

export async function down(): Promise<void> {
  throw new Error('this migration is not undone: entries may have times of a clock that was moved');
}
