import { mkdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from '../../../deploy/local/run-command.ts';

const run = { timeoutMs: 10_000 };
/** What others free meanwhile is taken as well. */
const fillEveryMs = 50;

/** A small file system of its own that can be filled up. Needs the right to mount, which root has. */
export class SmallDisk {
  readonly #folder: string;
  #files = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Mounts one at `folder`; undefined where that is not allowed. */
  static async mount(folder: string, megabytes: number): Promise<SmallDisk | undefined> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const options = `size=${megabytes}m,mode=0700`;
    const { code } = await runCommand('mount', ['-t', 'tmpfs', '-o', options, 'holdfast', folder], run);
    return code === 0 ? new SmallDisk(folder) : undefined;
  }

  /** Keeps it full to the last block for so long. */
  async fillFor(forMs: number): Promise<void> {
    const ballast: string[] = [];
    try {
      await this.#fill(ballast);
      for (const untilMs = performance.now() + forMs; performance.now() < untilMs;) {
        await this.#fill(ballast);
        await delay(fillEveryMs);
      }
    } finally {
      for (const file of ballast) await rm(file, { force: true });
    }
  }

  async unmount(): Promise<void> {
    await runCommand('umount', ['--lazy', this.#folder], run);
  }

  /** Takes all that is free now. */
  async #fill(ballast: string[]): Promise<void> {
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail === 0) return;
    this.#files += 1;
    const file = join(this.#folder, `ballast-${this.#files}`);
    ballast.push(file);
    await runCommand('fallocate', ['--length', String(bavail * bsize), file], run);
  }
}
