import { mkdir, realpath, rename, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startChild, type ChildHandle } from './child-process.ts';
import { stopLeftoverServer } from './leftover-server.ts';
import { natsConfig, type NatsClusterOptions } from './nats-config.ts';
import { keptPasswords, writeNatsUsers, type NatsPasswords } from './nats-users.ts';
import { serverFailure, type FailureReason } from './server-failure.ts';
import { chooseServerPort } from './server-ports.ts';
import { messageOf } from '../../shared/telemetry/describe-error.ts';

export interface NatsServerOptions {
  /** The folder of all local data, absolute; JetStream's is in its `nats`. No other supervisor may be using it. */
  readonly dataDir: string;
  /** The nats-server executable, as `findNatsServer` gave it. */
  readonly binary: string;
  /** Listen here; when not given, on the port of the last start or a free one. */
  readonly port?: number;
  /** Whoever gives no credentials may do everything: for tests, which look behind the scenes. */
  readonly open?: boolean;
  /** One of a cluster, whose servers must have the same users; for tests. */
  readonly cluster?: NatsClusterOptions;
  /** Every line that nats-server itself writes. */
  readonly onLine?: (line: string) => void;
  /** What we are doing, for people to read. */
  readonly report?: (line: string) => void;
}

export interface NatsServer {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Of its users; also in files of the data folder's `nats-users`. */
  readonly passwords: NatsPasswords;
  readonly process: ChildHandle;
}

const host = '127.0.0.1';
/** What it writes once it listens; asking the port could reach another server that took it. */
const readyLine = 'Server is ready';
const tellEveryMs = 5_000;
/** It reads its streams before it listens; 4 GB of them take well under a minute. */
const readyMs = 120_000;
const leftoverMs = 10_000;

const reasons: readonly FailureReason[] = [
  {
    pattern: /insufficient storage|could not create storage directory/iu,
    explanation: 'JetStream can not write to its folder: make room, or choose another DATA_DIR',
  },
];

/**
 * Starts nats-server with JetStream on the data folder; resolves when it accepts connections, which it does after
 * JetStream is up. Rejects with what is wrong and how to mend it.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { dataDir, report } = options;
  const folder = join(dataDir, 'nats');
  const pidFile = join(folder, 'nats-server.pid');
  const configFile = join(folder, 'nats-server.conf');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await stopLeftoverServer({
      folder: await realpath(folder),
      executable: 'nats-server',
      pidFile,
      signals: ['SIGTERM'],
      patienceMs: leftoverMs,
      ...(report && { report }),
    });
  } catch (error) {
    throw serverFailure('nats-server', [messageOf(error)], reasons);
  }
  const port = options.port ?? (await chooseServerPort(dataDir, 'nats'));
  const url = `nats://${host}:${port}`;
  let passwords: NatsPasswords;
  try {
    passwords = await keptPasswords(dataDir);
    await writeNatsUsers(dataDir, url, passwords);
    const { open = false, cluster } = options;
    const config = natsConfig({
      host,
      port,
      storeDir: folder,
      pidFile,
      passwords,
      open,
      ...(cluster && { cluster }),
    });
    await writeFile(`${configFile}.new`, config, { mode: 0o600 });
    await rename(`${configFile}.new`, configFile);
  } catch (error) {
    throw serverFailure('nats-server', [messageOf(error)], reasons);
  }

  let sayReady: (() => void) | undefined;
  const ready = new Promise<void>((resolve) => {
    sayReady = resolve;
  });
  const child = await startChild({
    name: 'nats-server',
    command: options.binary,
    args: ['--config', configFile],
    cwd: folder,
    env: { GOMAXPROCS: processors(), ...process.env },
    onLine: (line) => {
      if (line.includes(readyLine)) sayReady?.();
      options.onLine?.(line);
    },
  });
  const tell = setInterval(
    () => report?.(`waiting for nats-server: ${child.lastLines.at(-1) ?? ''}`),
    tellEveryMs,
  );
  const outcome = await Promise.race([
    ready.then(() => 'ready' as const),
    child.exited.then(() => 'ended' as const),
    delay(readyMs, 'late' as const, { ref: false }),
  ]);
  clearInterval(tell);
  if (outcome !== 'ready') {
    child.kill();
    throw serverFailure('nats-server', child.lastLines, reasons);
  }
  return { host, port, url, passwords, process: child };
}

/**
 * How many processors it may use at once: half of them, since it shares them with all the others. With both of two it
 * took half as much again for each command, most of it for threads that look for work.
 */
function processors(): string {
  return String(Math.max(1, Math.floor(availableParallelism() / 2)));
}
