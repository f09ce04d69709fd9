import { DatabaseError, type Pool } from 'pg';
import type { CommandId } from '../../../shared/contracts/primitives.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { UnfitDatabase } from './faults.ts';
import type { DatabaseAddress } from './session.ts';
import { askWhenReachable } from './when-reachable.ts';

const checkViolation = '23514';

/** The row that says how far the books' time is ahead of the real one. */
export class TestClockRow {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /**
   * Moves the clock forward by so many seconds, unless this very command was the last to move it.
   *
   * @returns false when it would be farther ahead than it may, and stays where it is.
   */
  async advance(id: CommandId, seconds: number): Promise<boolean> {
    try {
      await this.#pool.query({
        name: 'advance-clock',
        text: `
          UPDATE test_clock SET ahead = ahead + make_interval(secs => $2), moved_by = $1
          WHERE moved_by IS DISTINCT FROM $1::uuid`,
        values: [id, seconds],
      });
      return true;
    } catch (error) {
      if (error instanceof DatabaseError && error.code === checkViolation) return false;
      throw error;
    }
  }
}

/**
 * For a ledger without a test clock: waits while the clock of its books is one that was moved, saying so. The times of new
 * entries would stand still until the real one has caught up.
 */
export async function refuseMovedClock(
  address: DatabaseAddress,
  logger: Logger,
  stopping: AbortSignal,
): Promise<void> {
  await askWhenReachable(address, logger, stopping, async (client) => {
    const { rows } = await client.query<{ ahead: string }>(
      "SELECT ahead::text FROM test_clock WHERE ahead > interval '0'",
    );
    const [row] = rows;
    if (row === undefined) return;
    throw new UnfitDatabase(
      `the test clock of the database ${address.name} is ${row.ahead} (hours, minutes, seconds) ahead: set TEST_CLOCK=on, or take another database`,
    );
  });
}
