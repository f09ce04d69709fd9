import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../../deploy/local/run-command.ts';

const commandMs = 10_000;
const ballastChunkBytes = 4 * 1024 * 1024;

/** A small file system of its own that can be filled up. Needs the right to mount, which root has. */
export class SmallDisk {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Mounts one at `folder`; undefined where that is not allowed. */
  static async mount(folder: string, megabytes: number): Promise<SmallDisk | undefined> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const options = `size=${megabytes}m,mode=0700`;
    const run = { timeoutMs: commandMs };
    const { code } = await runCommand('mount', ['-t', 'tmpfs', '-o', options, 'holdfast', folder], run);
    return code === 0 ? new SmallDisk(folder) : undefined;
  }

  /** Fills it to the last block; what is returned frees it again. */
  async fill(): Promise<() => Promise<void>> {
    const ballast = join(this.#folder, 'ballast');
    const chunk = Buffer.alloc(ballastChunkBytes, 1);
    for (;;) {
      const { bavail, bsize } = await statfs(this.#folder);
      const bytes = Math.min(bavail * bsize, chunk.length);
      if (bytes === 0) break;
      try {
        await writeFile(ballast, chunk.subarray(0, bytes), { flag: 'a' });
      } catch {
        // Someone else took the last blocks.
        break;
      }
    }
    return () => rm(ballast, { force: true });
  }

  async unmount(): Promise<void> {
    await runCommand('umount', ['--lazy', this.#folder], { timeoutMs: commandMs });
  }
}
