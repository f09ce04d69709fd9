import { expect, test } from '@jest/globals';
import { archiveVersion, archiveName, sumOf } from './release-archive.ts';

test.each([
  ['linux', 'x64', 'linux-amd64'],
  ['linux', 'arm64', 'linux-arm64'],
  ['darwin', 'arm64', 'darwin-arm64'],
])('the archive for %s on %s', (platform, arch, ending) => {
  expect(archiveName(platform, arch)).toBe(`nats-server-v${archiveVersion}-${ending}`);
});

test('there is none for other platforms', () => {
  expect(archiveName('aix', 'ppc64')).toBeUndefined();
  expect(archiveName('linux', 'mips')).toBeUndefined();
});

test('the sum is the one of exactly this file', () => {
  const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
  const sums = `${a}  nats-server-linux-amd64.tar.gz.sig\n${b}  nats-server-linux-amd64.tar.gz\nnonsense\n`;
  expect(sumOf(sums, 'nats-server-linux-amd64.tar.gz')).toBe(b);
  expect(sumOf(sums, 'nats-server-linux-arm64.tar.gz')).toBeUndefined();
  expect(sumOf(`${b} *x.zip\r\n`, 'x.zip')).toBe(b);
});
