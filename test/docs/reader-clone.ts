import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../deploy/local/free-port.ts';
import type { LocalEnvironment } from './local-holdfast.ts';

const root = join(import.meta.dirname, '../..');

/** Of one's own, and no part of a clone. */
const leftOut = new Set(['.data', '.env', '.git']);

/** A clone as a reader has it: the same files, and what is written beside them or into the data folder, `.data`, stays there. */
export interface ReaderClone {
  readonly path: string;
  /** What a shell has in it: a free `PORT`, a `DATA_DIR`, and a `nats` command. */
  readonly env: LocalEnvironment;
  remove(): Promise<void>;
}

export async function makeReaderClone(): Promise<ReaderClone> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast docs '));
  const path = join(folder, 'clone');
  await mkdir(path);
  for (const name of await readdir(root)) {
    if (!leftOut.has(name)) await symlink(join(root, name), join(path, name));
  }
  const bin = join(folder, 'bin');
  await mkdir(bin);
  const natsCommand = join(root, 'test/docs/nats-command.mjs');
  await writeFile(join(bin, 'nats'), `#!/bin/sh\nexec node '${natsCommand}' "$@"\n`, { mode: 0o755 });
  const { PATH = '', HOME, TMPDIR, XDG_CACHE_HOME } = process.env;
  return {
    path,
    env: {
      PATH: `${bin}:${PATH}`,
      HOME,
      TMPDIR,
      XDG_CACHE_HOME,
      DATA_DIR: join(path, '.data'),
      PORT: String(await freePort()),
    },
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  };
}
