import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { provideNatsServer } from '../../deploy/local/nats-binary/find-nats-server.ts';
import { startNatsServer } from '../../deploy/local/nats-server.ts';

/** A nats-server that no other test talks to. Whoever gives no credentials may do everything. */
export async function startOwnNats(): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'holdfast nats '));
  const { path: binary } = await provideNatsServer(dataDir, process.env);
  const { url, process: server } = await startNatsServer({ dataDir, binary, open: true });
  return {
    url,
    stop: async () => {
      await server.stop(5_000);
      await rm(dataDir, { recursive: true });
    },
  };
}
