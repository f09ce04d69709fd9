import type { ServiceVictim } from './stack/service-victim.ts';

const lookEveryMs = 1_000;
/** Far above what a service takes in peace (about 100 MB), far below what a queue without a bound would make of it. */
const mostBytes = 400 * 1024 * 1024;
const megabyte = 1024 * 1024;

/** The memory that each service takes while things go wrong. */
export class Memory {
  readonly #most = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(services: readonly ServiceVictim[]) {
    this.#timer = setInterval(() => {
      for (const service of services) {
        const most = Math.max(this.#most.get(service.name) ?? 0, service.memoryBytes() ?? 0);
        this.#most.set(service.name, most);
      }
    }, lookEveryMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  problems(): string[] {
    return [...this.#most].flatMap(([name, bytes]) =>
      bytes > mostBytes ? [`${name} took ${Math.round(bytes / megabyte)} MB of memory`] : [],
    );
  }

  /** The most that each took, in words. */
  text(): string {
    return [...this.#most].map(([name, bytes]) => `${name} ${Math.round(bytes / megabyte)} MB`).join(', ');
  }
}
