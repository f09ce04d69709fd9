import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../shared/telemetry/logger.ts';
import type { ChildHandle, ExitInfo } from './child-process.ts';
import { decideRestart, noShortLives, restartPolicy, type RestartPolicy } from './restart-policy.ts';

export interface KeptProgramOptions {
  readonly name: string;
  /** Starts it; called again for every restart. Rejects with the reason when it can't be started. */
  readonly start: () => Promise<ChildHandle>;
  readonly logger: Logger;
  /** Called once, with the reason in words, when it is not started again. */
  readonly onGivenUp: (reason: string) => void;
  readonly policy?: RestartPolicy;
}

/** A program that is started again whenever it ends, until it is stopped or there is no hope. */
export class KeptProgram {
  readonly name: string;
  readonly #options: KeptProgramOptions;
  readonly #policy: RestartPolicy;
  readonly #stopping = new AbortController();
  #child: ChildHandle | undefined;
  /** Settles, never rejects, when nothing of it runs any more and nothing will. */
  #life: Promise<void> = Promise.resolve();

  constructor(options: KeptProgramOptions) {
    this.name = options.name;
    this.#options = options;
    this.#policy = options.policy ?? restartPolicy;
  }

  /** Starts it and keeps it running from now on. Rejects when it can't be started this first time. */
  start(): Promise<void> {
    const started = this.#startOnce();
    this.#life = started.then(
      (child) => this.#follow(child),
      () => undefined,
    );
    return started.then(() => undefined);
  }

  /** Stops it for good: politely, and by force after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    this.#stopping.abort();
    await this.#child?.stop(timeoutMs);
    // It may be in the middle of a start that can't be interrupted; what that starts is stopped as well.
    const leftMs = Math.max(endMs - performance.now(), 0);
    await Promise.race([this.#life, delay(leftMs, undefined, { ref: false })]);
  }

  /** Kills it for good; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#stopping.abort();
    this.#child?.kill();
    await this.#child?.exited;
  }

  async #startOnce(): Promise<ChildHandle> {
    const child = await this.#options.start();
    if (this.#stopping.signal.aborted) {
      child.kill();
      throw new Error(`${this.name} was stopped while it started`);
    }
    this.#child = child;
    this.#options.logger.info(`${this.name} runs, pid ${child.pid}`);
    return child;
  }

  async #follow(first: ChildHandle): Promise<void> {
    const { logger, onGivenUp } = this.#options;
    let child: ChildHandle | undefined = first;
    let shortLives = noShortLives;
    for (;;) {
      const startedAtMs = performance.now();
      const exit: ExitInfo = child === undefined ? { code: 1, signal: null } : await child.exited;
      this.#child = undefined;
      if (this.#stopping.signal.aborted) return;
      const livedMs = performance.now() - startedAtMs;
      const next = decideRestart(shortLives, { livedMs, exit }, this.#policy);
      if (next.giveUp) {
        onGivenUp(`${this.name} ${describeExit(exit)}, and starting it again does not help`);
        return;
      }
      shortLives = next.shortLives;
      if (child !== undefined) {
        logger.error(`${this.name} ${describeExit(exit)}; starting it again in ${next.delayMs} ms`);
      }
      await delay(next.delayMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      try {
        child = await this.#startOnce();
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        child = undefined;
        logger.error({ err: error }, `${this.name} could not be started again`);
      }
    }
  }
}

function describeExit({ code, signal }: ExitInfo): string {
  return signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`;
}
