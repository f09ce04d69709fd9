import { expect, test } from '@jest/globals';
import { postgresConfig, type PostgresMeans } from './postgres-config.ts';

const gibibyte = 1024 ** 3;

test.each([
  [0.25, '128MB'],
  [0.5, '128MB'],
  [2, '512MB'],
  [8, '2048MB'],
  [32, '8192MB'],
  [512, '8192MB'],
])('of %s GiB of memory PostgreSQL may keep %s of pages', (memory, pages) => {
  expect(settingOf('shared_buffers', { memory: memory * gibibyte, disk: 0 })).toEqual([pages]);
});

test.each([
  [0, '128MB'],
  [3, '768MB'],
  [40, '10240MB'],
  [4000, '16384MB'],
])('with %s GiB free on the disk its log may grow to %s', (disk, size) => {
  expect(settingOf('max_wal_size', { memory: 0, disk: disk * gibibyte })).toEqual([size]);
});

function settingOf(name: string, means: PostgresMeans): string[] {
  const lines = postgresConfig('127.0.0.1', 5432, means).split('\n');
  return lines.flatMap((line) => (line.startsWith(`${name} = `) ? line.slice(name.length + 3) : []));
}
