import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../deploy/local/free-port.ts';
import { provideNatsServer } from '../deploy/local/nats-binary/find-nats-server.ts';
import { startNatsServer, type NatsServer } from '../deploy/local/nats-server.ts';
import { envForNats } from '../deploy/local/nats-users.ts';
import { startPostgres, type PostgresServer } from '../deploy/local/postgres-server.ts';
import { ServiceProcess, type ServiceName } from '../deploy/local/service-process.ts';
import { startChild } from '../deploy/local/child-process.ts';
import { envForTraces } from '../deploy/local/traces/trace-receiver.ts';
import { withClient } from '../deploy/local/with-client.ts';
import type { DatabaseAddress } from '../services/ledger/store/session.ts';
import type { NatsAccess } from '../shared/config/nats-access.ts';

const databaseName = 'holdfast_bench';

/** As long as is announced to the broker, and longer than a run takes: what settles is what is measured as settling. */
const holdPeriodMinutes = 60;

/** Metrics are asked for as by Prometheus, somewhat more often than every 15 s, so that each measurement has some. */
const scrapeEveryMs = 5_000;

/** The whole of Holdfast on servers, ports and a data folder of its own. */
export interface BenchStack {
  readonly url: string;
  /** As the operators' tools reach it. */
  readonly nats: NatsAccess;
  /** Whose CPU time and memory are counted, by name, as of now. */
  readonly pids: Readonly<Record<string, number>>;
  /** From the start of a process until it was ready, by name; the ledger's includes making its tables. */
  readonly startMs: Readonly<Record<string, number>>;
  readonly natsVersion: string;
  readonly database: { host: string; port: number; user: string; password: string; database: string };
  /** The same, as the ledger's code takes it. */
  readonly address: DatabaseAddress;
  readonly natsConfigFile: string;
  readonly stopService: (service: ServiceName) => Promise<void>;
  /** Starts it again, with some settings changed. Resolves with the milliseconds until it was ready. */
  readonly startService: (service: ServiceName, env?: Readonly<Record<string, string>>) => Promise<number>;
  readonly stop: () => Promise<void>;
}

/** Starts it in the built clone `root`; `report` is told what it is doing. */
export async function startBenchStack(options: {
  root: string;
  env: NodeJS.ProcessEnv;
  report: (line: string) => void;
  nodeOptions?: readonly string[];
  /** False: without metrics and traces. */
  telemetry?: boolean;
  /** What services are told beside where everything is. */
  settings?: Readonly<Record<string, string>>;
  /** Bytes of disk that PostgreSQL's log is measured by: the same for stacks that are compared. */
  disk: number;
  /** Files of PostgreSQL's log that are made at most, 16 MiB each; 512, the most that are of use, take half a minute. */
  logFiles: number;
}): Promise<BenchStack> {
  const { root, report, nodeOptions = [], telemetry = true, settings = {} } = options;
  const dataDir = await mkdtemp(join(tmpdir(), 'holdfast bench '));
  const stops: (() => Promise<void>)[] = [() => rm(dataDir, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const each of stops.toReversed()) await each();
  };
  try {
    const found = await provideNatsServer(dataDir, options.env, report);
    const postgres: PostgresServer = await startPostgres({ dataDir, report, disk: options.disk });
    // Its data is deleted: whatever it has not written by then is of no use.
    stops.push(() => postgres.process.stop(10_000));
    const nats: NatsServer = await startNatsServer({ dataDir, binary: found.path, report });
    stops.push(() => nats.process.stop(10_000));
    await postgres.createDatabase(databaseName);

    const { host, port, user, password } = postgres;
    const database = { host, port, user, password, database: databaseName };
    if (options.logFiles > 0) await useLogFiles(database, options.logFiles);
    const gatewayOpsPort = await freePort();
    const env = {
      PATH: options.env['PATH'],
      NODE_ENV: 'production',
      LOG_LEVEL: 'warn',
      DB_HOST: host,
      DB_PORT: String(port),
      DB_USER: user,
      DB_PASSWORD: password,
      DB_NAME: databaseName,
      SUBSTRACT_HOLD_PERIOD: String(holdPeriodMinutes),
      ...settings,
      ...(telemetry ? await productionTelemetry(root, stops) : { OTEL_SDK_DISABLED: 'true' }),
    };
    const running = new Map<ServiceName, ServiceProcess>();
    const startService = async (service: ServiceName, changed = {}): Promise<number> => {
      const started = new ServiceProcess({
        service,
        root,
        port: await freePort(),
        env: {
          ...env,
          ...envForNats(nats, service),
          ...(service === 'gateway' && { GATEWAY_OPS_PORT: String(gatewayOpsPort) }),
          ...changed,
        },
        nodeOptions,
      });
      const began = performance.now();
      await started.start();
      running.set(service, started);
      return performance.now() - began;
    };
    const stopService = async (service: ServiceName): Promise<void> => {
      await running.get(service)?.stop();
      running.delete(service);
    };
    const startMs: Record<string, number> = {};
    for (const service of ['ledger', 'settler', 'gateway'] as const) {
      stops.push(() => stopService(service));
      startMs[service] = await startService(service);
    }
    const urlOf = (service: ServiceName): string => running.get(service)?.url ?? '';
    if (telemetry) {
      const scraping = setInterval(() => {
        const urls = [`http://127.0.0.1:${gatewayOpsPort}`, urlOf('ledger'), urlOf('settler')];
        void Promise.allSettled(urls.map(async (url) => (await fetch(`${url}/metrics`)).text()));
      }, scrapeEveryMs);
      stops.push(async () => clearInterval(scraping));
    }
    return {
      url: urlOf('gateway'),
      nats: { urls: [nats.url], user: { name: 'tools', password: nats.passwords.tools } },
      natsVersion: found.version,
      get pids() {
        const services = [...running].map(([service, { pid }]) => [service, pid]);
        return {
          ...(Object.fromEntries(services) as Record<string, number>),
          postgres: postgres.process.pid,
          nats: nats.process.pid,
        };
      },
      startMs,
      database,
      address: { host, port, user, password, name: databaseName },
      natsConfigFile: join(dataDir, 'nats/nats-server.conf'),
      stopService,
      startService,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * A server that has run for a while writes its log over the files of earlier checkpoints. A fresh one makes each file of
 * 16 MiB by filling it with zeros, and every commit waits for that: pgbench's as well as ours.
 */
async function useLogFiles(database: BenchStack['database'], most: number): Promise<void> {
  await withClient(database, async (client) => {
    const { rows } = await client.query<{ files: string }>(`
      SELECT pg_size_bytes(current_setting('max_wal_size')) / pg_size_bytes(current_setting('wal_segment_size')) AS files`);
    // Half of them are written between two checkpoints, and the other half while a checkpoint is under way.
    const files = Math.min(most, Number(rows[0]?.files ?? 0) / 2);
    for (let file = 0; file < files; file += 1) {
      await client.query("SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()");
    }
    // It keeps the files that were used before it for what comes next.
    await client.query('CHECKPOINT');
  });
}

/** As in production: one request in a hundred is traced, and its spans go to another process. */
async function productionTelemetry(
  root: string,
  stops: (() => Promise<void>)[],
): Promise<Record<string, string>> {
  let told: (url: string) => void;
  const url = new Promise<string>((resolve) => (told = resolve));
  const sink = await startChild({
    name: 'trace sink',
    command: process.execPath,
    args: [join(root, 'dist/bench/trace-sink.js')],
    onLine: (line) => told(line),
  });
  stops.push(() => sink.stop(1_000));
  return envForTraces(await url, {}, true);
}

/** What makes an answer durable. With any of it off, the figures are void. */
export async function durabilityProblems({ database, natsConfigFile }: BenchStack): Promise<string[]> {
  const problems: string[] = [];
  await withClient(database, async (client) => {
    for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes']) {
      const { rows } = await client.query<Record<string, string>>(`SHOW ${setting}`);
      if (rows[0]?.[setting] !== 'on') problems.push(`Postgres runs with ${setting}=${rows[0]?.[setting]}`);
    }
  });
  const natsConfig = await readFile(natsConfigFile, 'utf8');
  if (!/^\s*sync_interval: always$/mu.test(natsConfig))
    problems.push('nats-server runs without sync_interval: always');
  return problems;
}
