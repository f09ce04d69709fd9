import { expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchDebianPackage } from '../deploy/local/nats-binary/debian-package.ts';
import { runCommand } from '../deploy/local/run-command.ts';

const missing = [
  '/usr/bin/apt-get',
  '/usr/bin/dpkg-deb',
  '/usr/share/keyrings/debian-archive-keyring.gpg',
].filter((path) => !existsSync(path));

const onDebian = missing.length === 0 ? test : test.skip;
const why = missing.length === 0 ? '' : ` (can't be tried here, without ${missing.join(', ')})`;
onDebian(`Prometheus' own promtool takes the alert rules${why}`, checkRules, 150_000);

async function checkRules(): Promise<void> {
  const workDir = await mkdtemp(join(tmpdir(), 'holdfast promtool '));
  try {
    const promtool = await fetchDebianPackage(
      { report: () => undefined, workDir, archiveBaseUrl: '' },
      // Later packages of this name come without it.
      { packageName: 'prometheus', name: 'promtool', suite: 'bookworm' },
    );
    const rules = join(__dirname, '../deploy/otel/alerts/holdfast.yaml');
    const { code, lines } = await runCommand(promtool, ['check', 'rules', rules], { timeoutMs: 20_000 });
    expect([code, lines.join('\n')]).toEqual([0, expect.stringMatching(/SUCCESS: [1-9]\d* rules found/)]);
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}
