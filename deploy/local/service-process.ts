import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startChild, type ChildHandle } from './child-process.ts';
import { messageOf } from '../../shared/telemetry/describe-error.ts';

export type ServiceName = 'gateway' | 'ledger' | 'settler';

/** The setting that says where a service answers /readyz; a gateway answers everything there. */
const portSettings = { gateway: 'PORT', ledger: 'LEDGER_OPS_PORT', settler: 'SETTLER_OPS_PORT' } as const;

const readyWithinMs = 20_000;
const askEveryMs = 25;
const stopWithinMs = 10_000;

/** One process of a built service, for tests and benchmarks: started, killed and started again at will. */
export class ServiceProcess {
  readonly service: ServiceName;
  readonly url: string;
  readonly #root: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #nodeOptions: readonly string[];
  #child: ChildHandle | undefined;

  /** `root` is the clone, built. */
  constructor(options: {
    service: ServiceName;
    root: string;
    port: number;
    env: NodeJS.ProcessEnv;
    nodeOptions?: readonly string[];
  }) {
    const { service, root, port, env, nodeOptions = [] } = options;
    this.service = service;
    this.url = `http://127.0.0.1:${port}`;
    this.#root = root;
    this.#env = { ...env, [portSettings[service]]: String(port) };
    this.#nodeOptions = nodeOptions;
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error(`the ${this.service} is not running`);
    return this.#child.pid;
  }

  /** The newest lines that it wrote since it was last started. */
  get lines(): readonly string[] {
    return this.#child?.lastLines ?? [];
  }

  /** Starts it, again after a stop or kill, and waits until it is ready. */
  async start(): Promise<void> {
    this.#child = await startChild({
      name: this.service,
      command: process.execPath,
      args: [...this.#nodeOptions, join(this.#root, `dist/services/${this.service}/main.js`)],
      cwd: this.#root,
      env: this.#env,
    });
    await this.#ready();
  }

  /** Asks it to stop, and waits until it has. */
  async stop(): Promise<void> {
    await this.#child?.stop(stopWithinMs);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#child?.kill();
    await this.#child?.exited;
  }

  async #ready(): Promise<void> {
    const until = performance.now() + readyWithinMs;
    let last = '';
    while (performance.now() < until) {
      try {
        const answer = await fetch(`${this.url}/readyz`);
        if (answer.ok) return;
        last = await answer.text();
      } catch (error) {
        last = messageOf(error);
      }
      await delay(askEveryMs);
    }
    throw new Error(`the ${this.service} is not ready: ${last}\n${this.lines.slice(-20).join('\n')}`);
  }
}
