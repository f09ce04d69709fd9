import { expect, test } from '@jest/globals';
import { join } from 'node:path';
import { freePort } from '../deploy/local/free-port.ts';
import { startChild } from '../deploy/local/child-process.ts';
import { runCommand } from '../deploy/local/run-command.ts';
import { LocalHoldfast } from './docs/local-holdfast.ts';
import { makeReaderClone } from './docs/reader-clone.ts';
import { eventually } from './support/eventually.ts';
import { call } from './support/http.ts';

/** Of the fixture that a fresh start installs. */
const accountId = '26c940a1-7228-4ea2-a3bc-e6460b172040';
/** Longer than stopping and copying take where that is quick, so that a hold is under way in the copy. */
const holdPeriodMinutes = '0.2';
const copyMs = 60_000;
const settleMs = 90_000;

test('a cold copy of the data folder is all there is: started elsewhere its books are in order, and its holds settle', async () => {
  const clone = await makeReaderClone();
  const settings = { ...clone.env, SUBSTRACT_HOLD_PERIOD: holdPeriodMinutes };
  const copy = join(clone.path, '.data-copy');
  try {
    const first = await LocalHoldfast.start(clone.path, settings);
    const before = await call(first.addresses.httpUrl ?? '', '/api/substract', {
      id: accountId,
      amount: '1.00',
    });
    expect(before).toMatchObject({ status: 200, body: { hold: { status: 'pending' } } });
    await first.stop();

    // With owners and modes, as docs/operations.md says.
    await runCommand('cp', ['-a', first.dataDir, copy], { timeoutMs: copyMs });
    const env = { ...settings, DATA_DIR: copy, PORT: String(await freePort()) };
    const second = await LocalHoldfast.start(clone.path, env);
    try {
      const url = second.addresses.httpUrl ?? '';
      const account = await eventually(async () => {
        const { body } = await call(url, `/api/status/${accountId}`);
        return body['held'] === '0.00' ? body : undefined;
      }, settleMs);
      // Nothing was lost on the way: the hold is among what was settled.
      expect(account['balance']).toBe(account['available']);
      expect(Number(account['version'])).toBeGreaterThan(Number(before.body['version']));
      const audit = await startChild({
        name: 'audit',
        command: process.execPath,
        args: [join(clone.path, 'dist/deploy/audit/main.js')],
        cwd: clone.path,
        env,
      });
      expect(await audit.exited).toEqual({ code: 0, signal: null });
    } finally {
      await second.stop();
    }
  } finally {
    await clone.remove();
  }
}, 300_000);
