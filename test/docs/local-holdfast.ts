import { EventEmitter, once } from 'node:events';
import { startChild, type ChildHandle } from '../../deploy/local/child-process.ts';
import { readRunning, type Running } from '../../deploy/local/data-folder.ts';

const READY_MS = 60_000;
const STOP_MS = 10_000;

const READY = 'is ready';

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
    const ready = once(events, READY, { signal: AbortSignal.timeout(READY_MS) }).then(
      () => READY,
      () => `was not ready within ${READY_MS} ms`,
    );
    const child = await startChild({
      name: 'npm start',
      command: 'npm',
      args: ['start'],
      cwd: clone,
      env,
      onLine: (line) => {
        said.push(line);
        if (line.includes(`${READY} on`)) events.emit(READY);
      },
    });
    const how = await Promise.race([ready, child.exited.then(() => 'ended')]);
    const addresses = readRunning(env.DATA_DIR);
    if (how !== READY || addresses === undefined) {
      await child.stop(STOP_MS);
      throw new Error(`npm start ${how}:\n${said.join('\n')}`);
    }
    return new LocalHoldfast(env.DATA_DIR, addresses, child);
  }

  /** As Ctrl-C does. */
  stop(): Promise<void> {
    return this.#child.stop(STOP_MS);
  }
}
