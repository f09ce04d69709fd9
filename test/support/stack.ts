import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../../deploy/local/free-port.ts';
import { provideNatsServer } from '../../deploy/local/nats-binary/find-nats-server.ts';
import { startNatsServer, type NatsServer } from '../../deploy/local/nats-server.ts';
import { envForNats } from '../../deploy/local/nats-users.ts';
import { ServiceProcess, type ServiceName } from '../../deploy/local/service-process.ts';
import { connectNats, type NatsLink } from '../../shared/messaging/connect.ts';
import { createLedgerClient, type LedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

const root = join(import.meta.dirname, '../..');
export interface StackOptions {
  readonly gateways?: number;
  readonly ledgers?: number;
  readonly settlers?: number;
  /** Default ten, so that nothing settles unless the test wants it. */
  readonly holdPeriodMinutes?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** False: as in production, tests as well must be one of the users. */
  readonly openNats?: boolean;
}

/** Real services on a broker and a database of their own, each as its own NATS user. Tests may do everything there. */
export class Stack {
  readonly gateways: ServiceProcess[] = [];
  readonly ledgers: ServiceProcess[] = [];
  readonly settlers: ServiceProcess[] = [];
  readonly database: TestDatabase;
  readonly #dataDir: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #clients: LedgerClient[] = [];
  readonly #links: NatsLink[] = [];
  nats: NatsServer;

  private constructor(dataDir: string, nats: NatsServer, database: TestDatabase, env: NodeJS.ProcessEnv) {
    this.#dataDir = dataDir;
    this.nats = nats;
    this.database = database;
    this.#env = env;
  }

  static async start(options: StackOptions = {}): Promise<Stack> {
    const { gateways = 1, ledgers = 1, settlers = 1, holdPeriodMinutes = 10, openNats } = options;
    const dataDir = await mkdtemp(join(tmpdir(), 'holdfast stack '));
    const [nats, database] = await Promise.all([
      startNats(dataDir, { open: openNats ?? true }),
      createTestDatabase(),
    ]);
    const env = {
      PATH: process.env['PATH'],
      NODE_ENV: 'test',
      ...database.env,
      SUBSTRACT_HOLD_PERIOD: String(holdPeriodMinutes),
      ...options.env,
    };
    const stack = new Stack(dataDir, nats, database, env);
    await Promise.all([
      ...Array.from({ length: ledgers }, () => stack.add('ledger')),
      ...Array.from({ length: settlers }, () => stack.add('settler')),
      ...Array.from({ length: gateways }, () => stack.add('gateway')),
    ]);
    return stack;
  }

  /** One more of a service, started and ready. */
  async add(service: ServiceName, env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    const added = new ServiceProcess({
      service,
      root,
      port: await freePort(),
      env: { ...this.#env, ...envForNats(this.nats, service), ...env },
    });
    this[`${service}s`].push(added);
    await added.start();
    return added;
  }

  get services(): ServiceProcess[] {
    return [...this.gateways, ...this.settlers, ...this.ledgers];
  }

  /** The URL of a gateway. */
  url(index = 0): string {
    const gateway = this.gateways[index];
    if (gateway === undefined) throw new Error(`there is no gateway ${index}`);
    return gateway.url;
  }

  /** A client as another service would have it; closed with the stack. */
  async ledgerClient(): Promise<{ client: LedgerClient; link: NatsLink }> {
    const logger = createLogger('test', 'silent');
    const link = await connectNats({ urls: [this.nats.url], name: 'test', logger });
    this.#links.push(link);
    const client = createLedgerClient({ link, logger, metrics: createMetrics() });
    this.#clients.push(client);
    return { client, link };
  }

  /** A connection to the books. */
  async books(): Promise<Client> {
    const client = new Client(this.database.connection);
    await client.connect();
    return client;
  }

  /** Stops the broker, or kills it; it goes on with the same data on the same port. */
  async restartNats({ loseData = false, kill = false } = {}): Promise<void> {
    if (kill) this.nats.process.kill();
    await this.nats.process.stop(10_000);
    if (loseData) await rm(join(this.#dataDir, 'nats'), { recursive: true });
    this.nats = await startNats(this.#dataDir, { open: true, port: this.nats.port });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const link of this.#links) await link.drain();
    for (const group of [this.gateways, this.settlers, this.ledgers]) {
      await Promise.all(group.map((service) => service.stop()));
    }
    await this.nats.process.stop(10_000);
    await this.database.drop();
    await rm(this.#dataDir, { recursive: true, force: true });
  }
}

async function startNats(
  dataDir: string,
  options: { readonly open: boolean; readonly port?: number },
): Promise<NatsServer> {
  const { path } = await provideNatsServer(dataDir, process.env);
  return startNatsServer({ dataDir, binary: path, ...options });
}
