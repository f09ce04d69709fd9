import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { fetchDebianPackage, type WantedExecutable } from '../../deploy/local/nats-binary/debian-package.ts';

/* Programs that tests need and nothing else does: from the PATH, or else from Debian's package. */

/** Where fetched ones are kept: only the first run of a clone waits for them. */
const keptIn = join(import.meta.dirname, '../../node_modules/.cache/debian');

const needed = ['/usr/bin/apt-get', '/usr/bin/dpkg-deb', '/usr/share/keyrings/debian-archive-keyring.gpg'];

/** nginx as a Debian machine has it. */
export const nginxProgram: WantedExecutable = { name: 'nginx', packageName: 'nginx', suite: 'bookworm' };

/** Later packages come without promtool. */
const prometheusPackage = { packageName: 'prometheus', suite: 'bookworm' };
export const prometheusProgram: WantedExecutable = { name: 'prometheus', ...prometheusPackage };
export const promtoolProgram: WantedExecutable = { name: 'promtool', ...prometheusPackage };

/** Why the program can't be had on this machine, to put behind the name of a skipped test; empty where it can. */
export function whyWithout({ name }: WantedExecutable): string {
  const missing = onPath(name) === undefined ? needed.filter((path) => !existsSync(path)) : [];
  if (missing.length === 0) return '';
  return ` (not tried here: no ${name} on the PATH, and no ${missing.join(', ')} to fetch it with)`;
}

/** Resolves with the program's path; fetches it, without touching the system, when this clone has none. */
export async function findProgram(program: WantedExecutable): Promise<string> {
  const kept = join(keptIn, program.name);
  const found = onPath(program.name) ?? (existsSync(kept) ? kept : undefined);
  if (found !== undefined) return found;
  const workDir = await mkdtemp(join(tmpdir(), `holdfast ${program.name} `));
  try {
    const fetched = await fetchDebianPackage(
      { report: () => undefined, workDir, archiveBaseUrl: '' },
      program,
    );
    await mkdir(keptIn, { recursive: true });
    // Whole or not at all, also when two runs do it at once.
    const draft = `${kept}.${process.pid}`;
    await copyFile(fetched, draft);
    await chmod(draft, 0o755);
    await rename(draft, kept);
    return kept;
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

function onPath(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute);
  return folders.map((folder) => join(folder, name)).find(existsSync);
}
