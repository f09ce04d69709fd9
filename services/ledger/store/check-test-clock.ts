import type { Client } from 'pg';
import { SettingsError } from '../../../shared/config/parse-settings.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { DatabaseAddress } from './session.ts';
import { askWhenReachable } from './when-reachable.ts';

const anotherDatabase = 'take another database (for npm start, another DATA_DIR)';

/**
 * Looks whether these books may go with a test clock, or without one.
 *
 * @throws SettingsError when they may not: starting again would not help.
 */
export async function checkTestClock(
  address: DatabaseAddress,
  testClock: boolean,
  logger: Logger,
  stopping: AbortSignal,
): Promise<void> {
  const check = testClock ? whyNotMovable : whyMoved;
  const problem = await askWhenReachable(address, logger, stopping, check);
  if (problem !== undefined) throw new SettingsError([`The database ${address.name} ${problem}`]);
}

/** Books are made movable before their first entry, or never: a slip must not be able to spoil those that count money. */
async function whyNotMovable(client: Client): Promise<string | undefined> {
  await client.query(
    'UPDATE test_clock SET is_movable = true WHERE NOT is_movable AND NOT EXISTS (SELECT FROM entries)',
  );
  const { rowCount } = await client.query('SELECT FROM test_clock WHERE is_movable');
  return rowCount === 1
    ? undefined
    : `was begun without TEST_CLOCK=on, so its time stays: ${anotherDatabase}`;
}

/** Times of new entries would stand still until the real one has caught up. */
async function whyMoved(client: Client): Promise<string | undefined> {
  const { rows } = await client.query<{ ahead: string }>(
    "SELECT ahead::text FROM test_clock WHERE ahead > interval '0'",
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  return `has a test clock that is ${row.ahead} (hours, minutes, seconds) ahead: set TEST_CLOCK=on, or ${anotherDatabase}`;
}
