import { EventEmitter, once } from 'node:events';
import { startChild, type ChildHandle } from '../../deploy/local/child-process.ts';
import { readRunning, type Running } from '../../deploy/local/data-folder.ts';

const readyMs = 60_000;
const stopMs = 10_000;

const readyWords = 'is ready';

/** Where `npm start` keeps its data, and everything else that it finds in its environment. */
export type LocalEnvironment = NodeJS.ProcessEnv & { readonly DATA_DIR: string };

/** `npm start` as a person runs it. */
export class LocalHoldfast {
  readonly dataDir: string;
  readonly addresses: Running;
  readonly #child: ChildHandle;

  private constructor(dataDir: string, addresses: Running, child: ChildHandle) {
    this.dataDir = dataDir;
    this.addresses = addresses;
    this.#child = child;
  }

  /** Resolves when it says that it is ready; rejects with what it said when it ends before that. */
  static async start(clone: string, env: LocalEnvironment): Promise<LocalHoldfast> {
    const said: string[] = [];
    const events = new EventEmitter();
    const ready = once(events, readyWords, { signal: AbortSignal.timeout(readyMs) }).then(
      () => readyWords,
      () => `was not ready within ${readyMs} ms`,
    );
    const child = await startChild({
      name: 'npm start',
      command: 'npm',
      args: ['start'],
      cwd: clone,
      env,
      onLine: (line) => {
        said.push(line);
        if (line.includes(`${readyWords} on`)) events.emit(readyWords);
      },
    });
    const how = await Promise.race([ready, child.exited.then(() => 'ended')]);
    const addresses = readRunning(env.DATA_DIR);
    if (how !== readyWords || addresses === undefined) {
      await child.stop(stopMs);
      throw new Error(`npm start ${how}:\n${said.join('\n')}`);
    }
    return new LocalHoldfast(env.DATA_DIR, addresses, child);
  }

  /** As Ctrl-C does. */
  stop(): Promise<void> {
    return this.#child.stop(stopMs);
  }
}
