import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../deploy/local/free-port.ts';
import { natsCacheDirs } from '../deploy/local/nats-binary/cache.ts';
import { findNatsServer } from '../deploy/local/nats-binary/find-nats-server.ts';
import { startNatsServer, type NatsServer } from '../deploy/local/nats-server.ts';
import { envForNats } from '../deploy/local/nats-users.ts';
import { startPostgres, type PostgresServer } from '../deploy/local/postgres-server.ts';
import { ServiceProcess } from '../deploy/local/service-process.ts';
import { envForTraces, startTraceReceiver } from '../deploy/local/traces/trace-receiver.ts';
import type { NatsAccess } from '../shared/config/nats-access.ts';

const databaseName = 'holdfast_bench';

/** The whole of Holdfast on servers, ports and a data folder of its own. */
export interface BenchStack {
  readonly url: string;
  /** As the operators' tools reach it. */
  readonly nats: NatsAccess;
  /** Where its metrics are, in Prometheus' text format. */
  readonly metricsUrls: readonly string[];
  /** Whose CPU time is counted, by name. */
  readonly pids: Readonly<Record<string, number>>;
  readonly natsVersion: string;
  readonly database: { host: string; port: number; user: string; password: string; database: string };
  readonly natsConfigFile: string;
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
}): Promise<BenchStack> {
  const { root, report, nodeOptions = [], telemetry = true, settings = {} } = options;
  const dataDir = await mkdtemp(join(tmpdir(), 'holdfast bench '));
  const stops: (() => Promise<void>)[] = [() => rm(dataDir, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const each of stops.toReversed()) await each();
  };
  try {
    const found = await findNatsServer({
      cacheDirs: natsCacheDirs(dataDir, options.env),
      searchPath: options.env['PATH'] ?? '',
      report,
    });
    const postgres: PostgresServer = await startPostgres({ dataDir, report });
    stops.push(() => postgres.process.stop(10_000));
    const nats: NatsServer = await startNatsServer({ dataDir, binary: found.path, report });
    stops.push(() => nats.process.stop(10_000));
    await postgres.createDatabase(databaseName);

    const { host, port, user, password } = postgres;
    const env = {
      PATH: options.env['PATH'],
      NODE_ENV: 'production',
      LOG_LEVEL: 'warn',
      DB_HOST: host,
      DB_PORT: String(port),
      DB_USER: user,
      DB_PASSWORD: password,
      DB_NAME: databaseName,
      ...settings,
      ...(telemetry ? await productionTelemetry(stops) : { OTEL_SDK_DISABLED: 'true' }),
    };
    const gatewayOpsPort = await freePort();
    const services: ServiceProcess[] = [];
    for (const service of ['ledger', 'settler', 'gateway'] as const) {
      const started = new ServiceProcess({
        service,
        root,
        port: await freePort(),
        env: {
          ...env,
          ...envForNats(nats, service),
          ...(service === 'gateway' && { GATEWAY_OPS_PORT: String(gatewayOpsPort) }),
        },
        nodeOptions,
      });
      await started.start();
      services.push(started);
      stops.push(() => started.stop());
    }
    const pids = Object.fromEntries(services.map(({ service, pid }) => [service, pid]));
    return {
      url: services.at(-1)?.url ?? '',
      nats: { urls: [nats.url], user: { name: 'tools', password: nats.passwords.tools } },
      metricsUrls: [
        `http://127.0.0.1:${gatewayOpsPort}`,
        ...services.filter(({ service }) => service !== 'gateway').map(({ url }) => url),
      ].map((url) => `${url}/metrics`),
      natsVersion: found.version,
      pids: { ...pids, postgres: postgres.process.pid, nats: nats.process.pid },
      database: { host, port, user, password, database: databaseName },
      natsConfigFile: join(dataDir, 'nats/nats-server.conf'),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As in production: one request in a hundred is traced. The spans are kept by the harness, which is not counted. */
async function productionTelemetry(stops: (() => Promise<void>)[]): Promise<Record<string, string>> {
  const receiver = await startTraceReceiver();
  stops.push(receiver.close);
  return envForTraces(receiver.url, {}, true);
}

/** What makes an answer durable. With any of it off, the figures are void. */
export async function durabilityProblems({ database, natsConfigFile }: BenchStack): Promise<string[]> {
  const client = new Client(database);
  await client.connect();
  try {
    const problems: string[] = [];
    for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes']) {
      const { rows } = await client.query<Record<string, string>>(`SHOW ${setting}`);
      if (rows[0]?.[setting] !== 'on') problems.push(`Postgres runs with ${setting}=${rows[0]?.[setting]}`);
    }
    const natsConfig = await readFile(natsConfigFile, 'utf8');
    if (!/^\s*sync_interval: always$/mu.test(natsConfig))
      problems.push('nats-server runs without sync_interval: always');
    return problems;
  } finally {
    await client.end();
  }
}
