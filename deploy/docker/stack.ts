import {
  downAll,
  exec,
  execCompose,
  buildAll,
  logs,
  upAll,
  upMany,
  version,
  type IDockerComposeOptions,
} from 'docker-compose';

/** From the inside out: who serves others is new before who asks it. */
export const updateOrder = [
  'jaeger',
  'prometheus',
  'grafana',
  'postgres',
  'nats',
  'ledger',
  'settler',
  'gateway',
  'nginx',
] as const;

/** Any number of these may run, and a number that someone chose is kept. */
const scaled: ReadonlySet<string> = new Set(['gateway', 'ledger', 'settler']);

/** A database that recovers may need a while; Docker's health checks say sooner when all is well. */
const healthyWithinS = 180;

/** Docker Compose said no; the message is its own words. */
export class ComposeFailed extends Error {
  override readonly name = 'ComposeFailed';
}

/** The stack of docker-compose.yml, as Docker Compose runs it. Methods reject with `ComposeFailed`. */
export class Stack {
  readonly #options: IDockerComposeOptions;
  readonly #report: (line: string) => void;

  constructor(options: { root: string; env: NodeJS.ProcessEnv; report: (line: string) => void }) {
    this.#options = {
      cwd: options.root,
      env: options.env,
      callback: (chunk) => process.stderr.write(chunk),
    };
    this.#report = options.report;
  }

  /** Is Docker there, with Compose? Rejects when it isn't. */
  async check(): Promise<void> {
    await asked(version({ ...this.#options, callback: () => undefined }));
  }

  /** Builds the image, then starts what doesn't run, or updates what does; resolves when all of it is healthy. */
  async up(): Promise<void> {
    this.#report('building the image');
    await asked(buildAll(this.#options));
    const counts = await this.#counts();
    if (counts.size === 0) {
      this.#report('starting, and waiting until every service is healthy');
    } else {
      for (const [index, service] of updateOrder.entries()) {
        this.#report(`updating ${service}, and waiting until it is healthy`);
        // With those before it, which stay as they are: without what it depends on (--no-deps) Compose takes a service
        // for another one, and makes all of them anew at the end.
        const services = updateOrder.slice(0, index + 1);
        await asked(upMany(services, this.#with(...waiting, ...scales(counts, services))));
        await this.#reload(service);
      }
    }
    await asked(upAll(this.#with('--remove-orphans', ...waiting, ...scales(counts, [...scaled]))));
  }

  /** Stops and removes the containers; volumes stay. */
  async down(): Promise<void> {
    await asked(downAll(this.#with('--remove-orphans')));
  }

  /** Writes the log of all services to standard output, until it is interrupted. */
  async logs(): Promise<void> {
    const options = { ...this.#options, callback: (chunk: Buffer) => process.stdout.write(chunk) };
    await asked(
      logs([], { ...options, follow: true, commandOptions: ['--tail', '200'], maxOutputLength: 0 }),
    );
  }

  /** Compose's own table of what runs. */
  async status(): Promise<string> {
    const quiet = { ...this.#options, callback: () => undefined };
    return (await asked(execCompose('ps', ['--all'], quiet))).out;
  }

  /** Has a service read its mounted files again: one that changed is no reason for Compose to start it anew. */
  async #reload(service: (typeof updateOrder)[number]): Promise<void> {
    if (service === 'nginx')
      await asked(exec('nginx', ['nginx', '-c', '/etc/holdfast/nginx.conf', '-s', 'reload'], this.#options));
    // Before the ledger is updated: a new one may need what the broker's old users may not.
    if (service === 'nats' || service === 'prometheus')
      await asked(execCompose('kill', ['--signal', 'SIGHUP', service], this.#options));
  }

  /** How many containers of each service run now. */
  async #counts(): Promise<ReadonlyMap<string, number>> {
    const quiet = { ...this.#options, callback: () => undefined };
    const { out } = await asked(execCompose('ps', ['--format', '{{.Service}}'], quiet));
    const counts = new Map<string, number>();
    for (const service of out.split('\n').filter((line) => line !== '')) {
      counts.set(service, (counts.get(service) ?? 0) + 1);
    }
    return counts;
  }

  #with(...commandOptions: string[]): IDockerComposeOptions {
    return { ...this.#options, commandOptions };
  }
}

const waiting = ['--wait', '--wait-timeout', String(healthyWithinS)];

/** Compose would go back to one of each. */
function scales(counts: ReadonlyMap<string, number>, services: readonly string[]): string[] {
  return services.flatMap((service) => {
    const count = scaled.has(service) ? (counts.get(service) ?? 1) : 1;
    return count > 1 ? ['--scale', `${service}=${count}`] : [];
  });
}

/** The package rejects with what Compose wrote, or with an error of starting it. */
async function asked<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.message.includes('ENOENT')) {
      throw new ComposeFailed(
        'docker is not on the PATH. Install Docker with its Compose plugin, 2.20 or newer.',
      );
    }
    const { err, out } = error as { err?: string; out?: string };
    const words = [err, out].find((text) => text !== undefined && text.trim() !== '');
    throw new ComposeFailed(words?.trim() ?? String(error));
  }
}
