import type { Knex } from 'knex';

/** A clock for tests, and each move of it. Where none is it stays at zero: all that goes by the books' time adds it. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE test_clock (
      only_row        boolean        PRIMARY KEY DEFAULT true CHECK (only_row),
      -- A hundred years and ten more for a hold are times that microseconds in a double tell exactly.
      ahead           interval       NOT NULL CHECK (ahead BETWEEN interval '0' AND interval '876600 hours'),
      -- Noted before the first entry, by a ledger with a test clock. Books with money in them never become movable.
      is_movable      boolean        NOT NULL
    );
    INSERT INTO test_clock (ahead, is_movable) VALUES (interval '0', false);

    CREATE TABLE test_clock_moves (
      command_id      uuid           PRIMARY KEY,
      seconds         bigint         NOT NULL,
      at              timestamptz    NOT NULL DEFAULT clock_timestamp()
    );
  `);
}

export async function down(): Promise<void> {
  throw new Error('this migration is not undone: entries may have times of a clock that was moved');
}
