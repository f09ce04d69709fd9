import { expect, test } from '@jest/globals';
import { postgresConfig } from './postgres-config.ts';

const gibibyte = 1024 ** 3;

test.each([
  [0.5, '128MB'],
  [1, '128MB'],
  [2, '256MB'],
  [4, '512MB'],
  [8, '1024MB'],
  [512, '1024MB'],
])('of %s GiB of memory PostgreSQL may keep %s of pages', (memory, pages) => {
  const lines = postgresConfig('127.0.0.1', 5432, memory * gibibyte).split('\n');
  expect(lines.filter((line) => line.startsWith('shared_buffers'))).toEqual([`shared_buffers = ${pages}`]);
});
