import type { z } from 'zod';
import { onOff } from './fields.ts';
import { SettingsError } from './parse-settings.ts';
import { environmentSettings, isProduction } from './setting-groups.ts';

/** Whether there is a test clock. Of those that serve it. */
export const testClockSettings = {
  TEST_CLOCK: onOff({
    description:
      'Whether the books’ time can be moved forward with POST /api/advance-clock, to see holds settle now; never where real money is at stake.',
    default: 'off',
  }),
  ...environmentSettings,
};

/** Throws a `SettingsError` when there would be one in production. */
export function readTestClock(given: z.output<z.ZodObject<typeof testClockSettings>>): boolean {
  if (given.TEST_CLOCK && isProduction(given.NODE_ENV)) {
    throw new SettingsError([
      'TEST_CLOCK is on, and NODE_ENV is production: a clock that anyone can move is for tests alone',
    ]);
  }
  return given.TEST_CLOCK;
}
