import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEnvFile } from './load-env-file.ts';
import { SettingsError } from './parse-settings.ts';

describe('the .env file', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast env '));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test('adds what the environment does not have', () => {
    writeFileSync(join(directory, '.env'), '# a comment\nPORT=9000\nHOST="0.0.0.0"\nLOG_LEVEL=debug\n');
    const env = { HOST: '10.0.0.1', LOG_LEVEL: '' };
    expect(loadEnvFile(env, directory)).toEqual(new Set(['PORT', 'LOG_LEVEL']));
    expect(env).toEqual({ PORT: '9000', HOST: '10.0.0.1', LOG_LEVEL: 'debug' });
  });

  test('need not be there', () => {
    const env = { HOST: '10.0.0.1' };
    loadEnvFile(env, directory);
    expect(env).toEqual({ HOST: '10.0.0.1' });
  });

  test('is named when it can not be read', () => {
    mkdirSync(join(directory, '.env'));
    expect(() => loadEnvFile({}, directory)).toThrow(SettingsError);
  });
});
