import { describe, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import { runCommand } from './run-command.ts';

const root = resolve(import.meta.dirname, '../..');

/** `npm start -- …` with these settings. */
async function start(args: readonly string[], settings: Readonly<Record<string, string>>) {
  const { PATH, HOME } = process.env;
  const { code, lines } = await runCommand(process.execPath, ['deploy/local/start.mjs', ...args], {
    cwd: root,
    env: { PATH, HOME, ...settings },
    timeoutMs: 30_000,
  });
  return { code, text: lines.join('\n') };
}

describe('npm start -- --print-config', () => {
  test('says the settings and where they came from, and ends', async () => {
    const { code, text } = await start(['--print-config'], {
      PORT: '9123',
      FLASK_ENV: 'production',
      APP_SECRET_KEY: 'hunter2'.repeat(5),
      LOG_LEVLE: 'debug',
    });
    expect(code).toBe(0);
    expect(text).toMatch(/^PORT +9123 +environment$/m);
    expect(text).toMatch(/^NODE_ENV +production +environment, as FLASK_ENV$/m);
    expect(text).toMatch(/^APP_SECRET_KEY +\*\*\* +environment$/m);
    expect(text).toContain('LOG_LEVLE is no setting and has no effect; did you mean LOG_LEVEL?');
    expect(text).not.toContain('hunter2');
  });

  test('says all that is wrong with them', async () => {
    const { code, text } = await start(['--print-config'], { PORT: 'x' });
    expect(code).toBe(78);
    expect(text).toContain('PORT is "x", but it should be a port');
  });

  test.each([[['--print-confg']], [['--print-config', 'more']]])(
    'is all that npm start takes: %j',
    async (args) => {
      const { code, text } = await start(args, {});
      expect(code).toBe(78);
      expect(text).toContain('npm start -- --print-config');
    },
  );
});
