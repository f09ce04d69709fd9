import { startChild, type ChildHandle } from '../../deploy/local/child-process.ts';
import { readRunning, type Running } from '../../deploy/local/data-folder.ts';
import { eventually } from '../support/http.ts';

const READY_MS = 60_000;
const STOP_MS = 10_000;

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
    const child = await startChild({
      name: 'npm start',
      command: 'npm',
      args: ['start'],
      cwd: clone,
      env,
      onLine: (line) => said.push(line),
    });
    let hasEnded = false;
    void child.exited.then(() => (hasEnded = true));
    const addresses = await eventually(async () => {
      if (hasEnded) throw new Error(`npm start ended:\n${said.join('\n')}`);
      return said.some((line) => line.includes('is ready on')) ? readRunning(env.DATA_DIR) : undefined;
    }, READY_MS);
    return new LocalHoldfast(env.DATA_DIR, addresses, child);
  }

  /** As Ctrl-C does. */
  stop(): Promise<void> {
    return this.#child.stop(STOP_MS);
  }
}
