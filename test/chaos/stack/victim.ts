import type { ChildHandle } from '../../../deploy/local/child-process.ts';
import { KeptProgram } from '../../../deploy/local/kept-program.ts';
import { processTree, residentBytes, signalAll } from '../../../deploy/local/process-tree.ts';
import { restartPolicy } from '../../../deploy/local/restart-policy.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';

/** As an orchestrator does it: however often it ends, it is started again. */
const policy = { ...restartPolicy, longestDelayMs: 1_000, tries: Infinity };

const stopMs = 10_000;
/** Of what it wrote, what is told when it ends. */
const toldLines = 8;

/**
 * A process under the product's own supervisor, which starts it again when it ends. Faults kill it, freeze it, and keep
 * it from coming back for a while.
 */
export class Victim {
  readonly name: string;
  readonly #program: KeptProgram;
  #child: ChildHandle | undefined;
  #killed = false;
  /** Faults that keep it down; it comes back when the last one has ended. */
  #keptDown = 0;
  #mayStart: (() => void)[] = [];

  /**
   * @param onOwnEnd told when it ended though nobody killed it, with its last lines.
   */
  constructor(name: string, start: () => Promise<ChildHandle>, onOwnEnd: (text: string) => void) {
    this.name = name;
    this.#program = new KeptProgram({
      name,
      logger: createLogger('chaos', 'silent'),
      policy,
      onGivenUp: (reason) => onOwnEnd(`${name} was given up: ${reason}`),
      start: async () => {
        if (this.#keptDown > 0) await new Promise<void>((resolve) => this.#mayStart.push(resolve));
        this.#killed = false;
        const child = await start();
        this.#child = child;
        void this.#follow(child, onOwnEnd);
        return child;
      },
    });
  }

  start(): Promise<void> {
    return this.#program.start();
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** The process and its children, itself first; empty while it is down. */
  pids(): number[] {
    return this.#child === undefined ? [] : processTree(this.#child.pid);
  }

  memoryBytes(): number | undefined {
    return this.#child === undefined ? undefined : residentBytes(this.#child.pid);
  }

  /** kill -9 of all of it at once. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#killed = true;
    // Frozen first, so that none makes a child while we look.
    signalAll([child.pid], 'SIGSTOP');
    signalAll(processTree(child.pid), 'SIGKILL');
    child.kill();
    await child.exited;
  }

  /** From now on it is not started again, until what is returned is called. */
  keepDown(): () => void {
    this.#keptDown += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#keptDown -= 1;
      if (this.#keptDown > 0) return;
      for (const start of this.#mayStart.splice(0)) start();
    };
  }

  /** Freezes it with all its children as they are now; what is returned thaws them. */
  freeze(): () => void {
    const pids = this.pids();
    signalAll(pids, 'SIGSTOP');
    return () => signalAll(pids.toReversed(), 'SIGCONT');
  }

  /** Stops it for good. */
  async stop(): Promise<void> {
    this.#killed = true;
    await this.#program.stop(stopMs);
  }

  async #follow(child: ChildHandle, onOwnEnd: (text: string) => void): Promise<void> {
    const { code, signal } = await child.exited;
    if (this.#child === child) this.#child = undefined;
    if (!this.#killed) onOwnEnd(`${this.name} ended by itself (${signal ?? code}):\n${wordsOf(child)}`);
  }

  /** What it last wrote; nothing while it is down. */
  lastWords(): string {
    return this.#child === undefined ? '' : wordsOf(this.#child);
  }
}

function wordsOf(child: ChildHandle): string {
  return child.lastLines.slice(-toldLines).join('\n');
}
