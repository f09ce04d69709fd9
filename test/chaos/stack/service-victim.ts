import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { freePort } from '../../../deploy/local/free-port.ts';
import { startChild } from '../../../deploy/local/child-process.ts';
import type { NatsServer } from '../../../deploy/local/nats-server.ts';
import { envForNats } from '../../../deploy/local/nats-users.ts';
import { signalAll } from '../../../deploy/local/process-tree.ts';
import type { ServiceName } from '../../../deploy/local/service-process.ts';
import { eventually } from '../../support/eventually.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import type { Database } from './chaos-stack.ts';
import { Victim } from './victim.ts';

/** What a line leads to: the broker, the database, or from clients to this service. */
export type LineKind = 'nats' | 'db' | 'http';

interface ServiceStart {
  readonly service: ServiceName;
  readonly index: number;
  readonly root: string;
  readonly folder: string;
  readonly nats: NatsServer;
  readonly database: Database;
  readonly holdPeriodMinutes: number;
  readonly onOwnEnd: (text: string) => void;
}

const clockHook = pathToFileURL(join(import.meta.dirname, 'clock-hook.mjs')).href;
const readyMs = 30_000;

/** A service of ours as a victim: with its lines, its clock and the address where it says what it misses. */
export class ServiceVictim extends Victim {
  readonly service: ServiceName;
  readonly index: number;
  /** Past the proxy: for looking at `/readyz`. */
  readonly opsUrl: string;
  readonly lines: ReadonlyMap<LineKind, TcpProxy>;
  readonly #clockFile: string;
  /** When something was done to it that keeps it from answering in time. */
  readonly #troubles: { readonly fromMs: number; untilMs: number }[] = [];

  constructor(
    options: Pick<ServiceStart, 'service' | 'index' | 'onOwnEnd'> & {
      opsUrl: string;
      lines: ReadonlyMap<LineKind, TcpProxy>;
      clockFile: string;
      start: ConstructorParameters<typeof Victim>[1];
    },
  ) {
    super(`${options.service} ${options.index}`, options.start, options.onOwnEnd);
    this.service = options.service;
    this.index = options.index;
    this.opsUrl = options.opsUrl;
    this.lines = options.lines;
    this.#clockFile = options.clockFile;
  }

  line(kind: LineKind): TcpProxy {
    const proxy = this.lines.get(kind);
    if (proxy === undefined) throw new Error(`${this.name} has no line to ${kind}`);
    return proxy;
  }

  /** Makes its clock wrong from now on, by so many milliseconds. */
  async setClock(shiftMs: number): Promise<void> {
    await writeFile(this.#clockFile, String(shiftMs));
    // The process alone, not its watcher.
    signalAll(this.pids().slice(0, 1), 'SIGUSR2');
  }

  /** Something is being done to it, or to its line from clients: until what is returned is called it need not answer. */
  trouble(): () => void {
    const trouble = { fromMs: performance.now(), untilMs: Infinity };
    this.#troubles.push(trouble);
    return () => {
      trouble.untilMs = performance.now();
    };
  }

  /** Whether nothing was done to it in that time. */
  wasLeftAlone(fromMs: number, untilMs: number): boolean {
    return this.#troubles.every((trouble) => trouble.untilMs < fromMs || trouble.fromMs > untilMs);
  }

  /** What `/readyz` answers: what is missing. Undefined when it does not answer. */
  async missing(): Promise<readonly string[] | undefined> {
    try {
      const response = await fetch(`${this.opsUrl}/readyz`, { signal: AbortSignal.timeout(1_000) });
      const { missing = [] } = (await response.json()) as { missing?: readonly string[] };
      return missing;
    } catch {
      return undefined;
    }
  }

  override async stop(): Promise<void> {
    await super.stop();
    await Promise.all([...this.lines.values()].map((line) => line.close()));
  }
}

/** Starts a service behind proxies of its own and waits until it is ready. */
export async function startService(options: ServiceStart): Promise<ServiceVictim> {
  const { service, index, root, folder, database } = options;
  const [port, opsPort] = [await freePort(), await freePort()];
  const nats = await startTcpProxy(options.nats);
  const lines = new Map<LineKind, TcpProxy>([['nats', nats]]);
  const env: Record<string, string | undefined> = {
    PATH: process.env['PATH'],
    NODE_ENV: 'test',
    LOG_LEVEL: 'warn',
    ...envForNats({ ...options.nats, url: `nats://127.0.0.1:${nats.port}` }, service),
    [`${service.toUpperCase()}_OPS_PORT`]: String(opsPort),
  };
  if (service === 'ledger') {
    const db = await startTcpProxy(database);
    lines.set('db', db);
    Object.assign(env, {
      DB_HOST: '127.0.0.1',
      DB_PORT: String(db.port),
      DB_USER: database.user,
      DB_PASSWORD: database.password,
      DB_NAME: database.database,
      SUBSTRACT_HOLD_PERIOD: String(options.holdPeriodMinutes),
    });
  }
  if (service === 'gateway') {
    env['PORT'] = String(port);
    lines.set('http', await startTcpProxy({ host: '127.0.0.1', port }));
  }
  const clockFile = join(folder, `clock-${service}-${index}`);
  await writeFile(clockFile, '0');
  const victim = new ServiceVictim({
    ...options,
    opsUrl: `http://127.0.0.1:${opsPort}`,
    lines,
    clockFile,
    start: () =>
      startChild({
        name: service,
        command: process.execPath,
        args: ['--import', clockHook, join(root, `dist/services/${service}/main.js`)],
        cwd: folder,
        env: { ...env, CHAOS_CLOCK_FILE: clockFile },
      }),
  });
  await victim.start();
  try {
    await eventually(async () => ((await victim.missing())?.length === 0 ? true : undefined), readyMs);
    return victim;
  } catch {
    const missing = (await victim.missing())?.join(', ') ?? 'it does not answer';
    const lastWords = victim.lastWords();
    await victim.stop();
    throw new Error(`${victim.name} is not ready: ${missing}\n${lastWords}`);
  }
}
