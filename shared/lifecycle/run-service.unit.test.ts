import { describe, expect, test } from '@jest/globals';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../test/support/eventually.ts';
import { runTypeScript } from '../../test/support/run-typescript.ts';
import { freePort } from '../../deploy/local/free-port.ts';
import { settingsChecked } from '../config/odd-settings.ts';

const start = (env: Record<string, string>) => runTypeScript('test/fixtures/service.ts', env);

async function readinessAt(port: number): Promise<[number, unknown]> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
  return [answer.status, await answer.json()];
}

describe('a service', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('stops in order on %s', async (signal) => {
    const service = start({});
    await service.untilPrinted('ready holdfast-example 1');
    service.child.kill(signal);
    expect(await service.ended).toBe(0);
    expect(service.stdout()).toMatch(/stopping[^]*second closing, stopping: true\nfirst closed\n[^]*stopped/);
  });

  test('takes the same Ctrl-C twice, as npm sends it, for one', async () => {
    const service = start({});
    await service.untilPrinted('ready');
    service.child.kill('SIGINT');
    service.child.kill('SIGINT');
    expect(await service.ended).toBe(0);
  });

  test('ends at once on a second signal', async () => {
    const service = start({ FIXTURE: 'hang while stopping' });
    await service.untilPrinted('ready');
    service.child.kill('SIGTERM');
    await service.untilPrinted('second closing');
    const again = setInterval(() => service.child.kill('SIGTERM'), 100);
    const ended = await Promise.race([service.ended, delay(5000, 'still running', { ref: false })]);
    clearInterval(again);
    expect(ended).toBe(130);
  });

  test('ends in time when something does not stop, and names it', async () => {
    const service = start({ FIXTURE: 'hang while stopping' });
    await service.untilPrinted('ready');
    const askedMs = performance.now();
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(1);
    expect(performance.now() - askedMs).toBeLessThan(20_000);
    expect(service.stdout()).toContain('stopping the second took too long');
  });

  test('can be stopped while it still waits to start', async () => {
    const service = start({ FIXTURE: 'wait' });
    await service.untilPrinted('ready');
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(0);
    expect(service.stdout()).not.toContain('fatal');
  });

  test('that is to come to an end by itself has not when it is stopped before', async () => {
    const service = start({ FIXTURE: 'wait to do it' });
    await service.untilPrinted('ready');
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(75);
  });

  test.each([
    ['starts', 'wait', 'starting: the log says what it waits for'],
    ['serves', '', 'example: nothing to serve with'],
  ])('says what is missing while it %s', async (_, fixture, missing) => {
    const port = await freePort();
    const service = start({ FIXTURE: fixture, EXAMPLE_OPS_PORT: String(port) });
    await service.untilPrinted('ready');
    expect(await readinessAt(port)).toEqual([503, { status: 'not ready', missing: [missing] }]);
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(0);
  });

  test('says that it stops while it does', async () => {
    const port = await freePort();
    const service = start({ FIXTURE: 'hang while stopping', EXAMPLE_OPS_PORT: String(port) });
    await service.untilPrinted('ready');
    service.child.kill('SIGTERM');
    await service.untilPrinted('second closing');
    const [status, body] = await readinessAt(port);
    service.child.kill('SIGKILL');
    expect([status, body]).toEqual([
      503,
      { status: 'not ready', missing: ['stopping: it takes nothing new'] },
    ]);
  });

  test('serves and stops in order though its log is on a full disk', async () => {
    const port = await freePort();
    const full = openSync('/dev/full', 'w');
    // It warns of a setting that it does not know before it serves.
    const env = { COUNTS: '2', EXAMPLE_OPS_PORT: String(port) };
    const service = runTypeScript('test/fixtures/service.ts', env, [], full);
    closeSync(full);
    const missing = 'example: nothing to serve with';
    const served = eventually(async () => {
      const [, body] = await readinessAt(port).catch(() => []);
      return JSON.stringify(body ?? '').includes(missing) ? 'served' : undefined;
    });
    expect(await Promise.race([served, service.ended])).toBe('served');
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(0);
    expect(service.stderr()).toBe('');
  });

  test.each([
    ['fail to start', 'no such luck'],
    ['reject', 'forgotten'],
    ['throw', 'thrown'],
  ])('ends with a log line when it would %s', async (fixture, message) => {
    const service = start({ FIXTURE: fixture });
    expect(await service.ended).toBe(1);
    const last = JSON.parse(service.stdout().trim().split('\n').at(-1) ?? '') as unknown;
    expect(last).toMatchObject({ level: 'fatal', service: 'example', err: { message } });
    expect(service.stderr()).toBe('');
  });

  test('says plainly which settings are wrong, and that starting again will not help', async () => {
    const service = start({ COUNT: '9', LOG_LEVEL: 'loud' });
    expect(await service.ended).toBe(78);
    expect(service.stdout()).toBe('');
    expect(service.stderr()).toBe(
      [
        "holdfast example can't run with these settings:",
        '  LOG_LEVEL is "loud", but it should be one of fatal, error, warn, info, debug, trace, silent',
        '  COUNT is "9", but it should be a whole number from 1 to 5',
        '',
      ].join('\n'),
    );
  });

  test('warns of a setting that it does not know, unless whoever started it has', async () => {
    const env = { LOGLEVEL: 'debug', COUNTS: '2' };
    const service = start(env);
    await service.untilPrinted('ready');
    service.child.kill('SIGTERM');
    await service.ended;
    expect(service.stdout()).toContain('LOGLEVEL is no setting and has no effect; did you mean LOG_LEVEL?');
    expect(service.stdout()).toContain('COUNTS is no setting and has no effect; did you mean COUNT?');

    const quiet = start({ ...env, [settingsChecked]: 'yes' });
    await quiet.untilPrinted('ready');
    quiet.child.kill('SIGTERM');
    await quiet.ended;
    expect(quiet.stdout()).not.toContain('did you mean');
  });

  test('says so also of a setting that turns out wrong later', async () => {
    const service = start({ FIXTURE: 'port taken' });
    expect(await service.ended).toBe(78);
    expect(service.stderr()).toContain('PORT is 80, but another process already listens there');
  });
});
