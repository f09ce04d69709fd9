import { join } from 'node:path';
import { startChild, type ChildHandle } from '../../deploy/local/child-process.ts';

const root = join(import.meta.dirname, '../..');
const stopMs = 10_000;

/** A built script of the clone as a process, with these settings alone, and every line that it writes. */
export class Script {
  readonly lines: string[] = [];
  readonly #child: ChildHandle;

  private constructor(child: ChildHandle, lines: string[]) {
    this.#child = child;
    this.lines = lines;
  }

  static async start(
    path: string,
    env: Readonly<Record<string, string>>,
    args: readonly string[] = [],
  ): Promise<Script> {
    const lines: string[] = [];
    const { PATH, HOME, TMPDIR } = process.env;
    const child = await startChild({
      name: path,
      command: process.execPath,
      args: [join(root, path), ...args],
      cwd: root,
      env: { PATH, HOME, TMPDIR, ...env },
      onLine: (line) => lines.push(line),
    });
    return new Script(child, lines);
  }

  /** Its exit code, once it has ended by itself. */
  async ended(): Promise<number | null> {
    return (await this.#child.exited).code;
  }

  async stop(): Promise<void> {
    await this.#child.stop(stopMs);
  }

  get text(): string {
    return this.lines.join('\n');
  }
}
