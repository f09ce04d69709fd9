import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { fetchDebianPackage } from './debian-package.ts';
import { readVersion } from './read-version.ts';
import { isNewEnough } from '../../../shared/messaging/nats-server-version.ts';

const missing = [
  '/usr/bin/apt-get',
  '/usr/bin/dpkg-deb',
  '/usr/share/keyrings/debian-archive-keyring.gpg',
].filter((path) => !existsSync(path));

const onDebian = missing.length === 0 ? test : test.skip;
const why = missing.length === 0 ? '' : ` (can't be tried here, without ${missing.join(', ')})`;
onDebian(
  `Debian's package is fetched without touching the system, is new enough and runs${why}`,
  fetchAndRun,
  60_000,
);

async function fetchAndRun(): Promise<void> {
  // With a space, as apt's own configuration is particular about paths.
  const workDir = await mkdtemp(join(tmpdir(), 'holdfast package '));
  const lists = await systemLists();
  try {
    const executable = await fetchDebianPackage({ report: () => undefined, workDir, archiveBaseUrl: '' });
    const version = await readVersion(executable);
    expect(version).toBeDefined();
    expect(isNewEnough(version ?? '')).toBe(true);
    await expect(systemLists()).resolves.toEqual(lists);
  } finally {
    await rm(workDir, { recursive: true });
  }
}

function systemLists(): Promise<string[]> {
  return readdir('/var/lib/apt/lists').catch(() => []);
}
