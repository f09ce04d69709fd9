import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runTypeScript } from '../../test/support/run-typescript.ts';
import type { ChildHandle } from './child-process.ts';
import { provideNatsServer } from './nats-binary/find-nats-server.ts';
import { startNatsServer } from './nats-server.ts';
import { startPostgres } from './postgres-server.ts';
import { runCommand } from './run-command.ts';

const endMs = 10_000;

let dataDir: string;
let binary: string;
const running: ChildHandle[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'holdfast killed '));
  const found = await provideNatsServer(join(tmpdir(), 'holdfast-test-cache'), process.env);
  binary = found.path;
}, 120_000);

afterAll(async () => {
  await Promise.all(running.map((child) => child.stop(endMs)));
  await rm(dataDir, { recursive: true });
});

test('everything ends with a supervisor that is killed, and the next start on the same data works', async () => {
  const supervisor = runTypeScript('test/fixtures/small-supervisor.ts', {
    DATA_DIR: dataDir,
    NATS_SERVER: binary,
  });
  await supervisor.untilPrinted('\n');
  const pids = supervisor.stdout().trim().split(' ').map(Number);
  await expect(stillRunning(pids)).resolves.toHaveLength(3);

  supervisor.child.kill('SIGKILL');
  await expect(supervisor.ended).resolves.toBe('SIGKILL');
  // At once, while the old servers are still stopping.
  const postgres = await startPostgres({ dataDir });
  running.push(postgres.process);
  const nats = await startNatsServer({ dataDir, binary });
  running.push(nats.process);

  const end = performance.now() + endMs;
  while (performance.now() < end && (await stillRunning(pids)).length > 0) await delay(50);
  await expect(stillRunning(pids)).resolves.toEqual([]);
});

/** A zombie that nobody reaps does not run. */
async function stillRunning(pids: readonly number[]): Promise<readonly string[]> {
  const { lines } = await runCommand('ps', ['-o', 'stat=,args=', '-p', pids.join()], { timeoutMs: 5_000 });
  return lines.filter((line) => !line.startsWith('Z'));
}
