import { DatabaseError, type Pool } from 'pg';
import type { CommandId } from '../../../shared/contracts/primitives.ts';
import { formatMicros, type Micros } from '../domain/time.ts';

const checkViolation = '23514';

/** What became of a move. Repeated: it was done before, for the same command. */
export type ClockMove = 'moved' | 'repeated' | 'conflict' | 'too-far';

/** How far the books' time is ahead of the real one, and who moved it. */
export class TestClockTable {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Moves the clock forward by so many seconds, once for each id, and not at all beyond its bound. */
  async move(id: CommandId, seconds: number): Promise<ClockMove> {
    try {
      const { rowCount } = await this.#pool.query({
        name: 'move-clock',
        text: `
          WITH move AS (
            INSERT INTO test_clock_moves (command_id, seconds) VALUES ($1, $2)
            ON CONFLICT DO NOTHING RETURNING seconds
          )
          UPDATE test_clock SET ahead = ahead + make_interval(secs => move.seconds) FROM move`,
        values: [id, seconds],
      });
      if (rowCount === 1) return 'moved';
    } catch (error) {
      if (error instanceof DatabaseError && error.code === checkViolation) return 'too-far';
      throw error;
    }
    const { rows } = await this.#pool.query<{ seconds: bigint }>({
      name: 'read-move',
      text: 'SELECT seconds FROM test_clock_moves WHERE command_id = $1',
      values: [id],
    });
    return rows[0]?.seconds === BigInt(seconds) ? 'repeated' : 'conflict';
  }

  /** Whether a hold that is due at this time has not ended. */
  async isAnyLeft(dueBy: Micros): Promise<boolean> {
    const { rowCount } = await this.#pool.query({
      name: 'any-due',
      text: `SELECT FROM holds WHERE status = 'pending' AND due_at <= $1 LIMIT 1`,
      values: [formatMicros(dueBy)],
    });
    return rowCount === 1;
  }
}
