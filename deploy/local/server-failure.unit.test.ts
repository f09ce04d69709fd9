import { expect, test } from '@jest/globals';
import { serverFailure } from './server-failure.ts';

test.each([
  ['FATAL:  could not write to file "pg_wal/x": No space left on device', 'the disk is full'],
  ['ENOSPC: no space left on device, write', 'the disk is full'],
  ['could not extend file "base/1/2": wrote only 4096 of 8192 bytes at block 13', 'the disk is full'],
  ["EACCES: permission denied, open '/x'", 'rights are missing'],
  ['LOG:  could not bind IPv4 address "127.0.0.1": Address already in use', 'its port is taken'],
  ['bind: address already in use', 'its port is taken'],
  ['EROFS: read-only file system, mkdir', 'read-only'],
  ['something nobody has seen before', 'see what it said'],
])('%s', (line, explanation) => {
  const { message } = serverFailure('PostgreSQL', ['a line before', line], []);
  expect(message).toContain(explanation);
  expect(message).toContain(line);
});

test("a server's own reasons come first", () => {
  const reasons = [{ pattern: /disk quota/u, explanation: 'ask the administrator' }];
  expect(serverFailure('x', ['disk quota exceeded'], reasons).message).toContain('ask the administrator');
});
