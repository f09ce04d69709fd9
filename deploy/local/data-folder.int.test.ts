import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SettingsError } from '../../shared/config/parse-settings.ts';
import { startChild } from './child-process.ts';
import { AlreadyRunning, readRunning, takeDataFolder } from './data-folder.ts';
import { identifyProcess, isRunning } from './process-identity.ts';

describe('the data folder', () => {
  let dataDir: string;
  let file: string;
  beforeEach(() => {
    dataDir = join(mkdtempSync(join(tmpdir(), 'holdfast folder ')), 'data');
    file = join(dataDir, 'running.json');
  });
  afterEach(() => rmSync(join(dataDir, '..'), { recursive: true }));

  test('has one user at a time, who tells where everything is', () => {
    const folder = takeDataFolder(dataDir);
    folder.announce({ httpUrl: 'http://127.0.0.1:1', natsUrl: 'nats://127.0.0.1:2' });
    expect(() => takeDataFolder(dataDir)).toThrow(AlreadyRunning);
    expect(() => takeDataFolder(dataDir)).toThrow(`process ${process.pid} and answers on http://127.0.0.1:1`);
    expect(readRunning(dataDir)).toMatchObject({ natsUrl: 'nats://127.0.0.1:2' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    folder.release();
    expect(readRunning(dataDir)).toBeUndefined();
    expect(readdirSync(dataDir)).toEqual([]);
  });

  test('is free when its user was killed, whoever has that pid now', () => {
    const supervisor = { pid: process.pid, startTime: 'long ago' };
    takeDataFolder(dataDir).release();
    writeFileSync(file, JSON.stringify({ supervisor }));
    expect(readRunning(dataDir)).toBeUndefined();
    takeDataFolder(dataDir).release();
  });

  test('knows which services a killed user left', async () => {
    const child = await startChild({ name: 'it', command: 'sleep', args: ['600'] });
    const ledger = identifyProcess(child.pid);
    const gone = { pid: process.pid, startTime: 'long ago' };
    takeDataFolder(dataDir).release();
    writeFileSync(file, JSON.stringify({ supervisor: gone, services: { ledger, gateway: gone } }));
    expect(takeDataFolder(dataDir).leftovers).toEqual([{ name: 'ledger', ...ledger }]);
    child.kill();
    await child.exited;
    expect(ledger && isRunning(ledger)).toBe(false);
  });

  test('a file that is just being written counts as taken, an old half of one does not', () => {
    takeDataFolder(dataDir).release();
    writeFileSync(file, '');
    expect(() => takeDataFolder(dataDir)).toThrow(AlreadyRunning);
    utimesSync(file, 0, 0);
    takeDataFolder(dataDir).release();
  });

  test('that can not be made is a wrong setting', () => {
    writeFileSync(join(dataDir, '../file'), '');
    expect(() => takeDataFolder(join(dataDir, '../file/data'))).toThrow(SettingsError);
    expect(() => takeDataFolder(join(dataDir, '../file/data'))).toThrow(
      /^DATA_DIR is ".*", but it can't be written/u,
    );
    expect(() => takeDataFolder('/proc/nowhere/data')).toThrow(SettingsError);
  });
});
