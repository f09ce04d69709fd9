import { expect, test } from '@jest/globals';
import { postgresConfig } from './postgres-config.ts';

const gibibyte = 1024 ** 3;

test.each([
  [0.25, '128MB'],
  [0.5, '128MB'],
  [2, '512MB'],
  [8, '2048MB'],
  [32, '8192MB'],
  [512, '8192MB'],
])('of %s GiB of memory PostgreSQL may keep %s of pages', (memory, pages) => {
  const lines = postgresConfig('127.0.0.1', 5432, memory * gibibyte).split('\n');
  expect(lines.filter((line) => line.startsWith('shared_buffers'))).toEqual([`shared_buffers = ${pages}`]);
});
