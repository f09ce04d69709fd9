import { Client } from 'pg';
import { freePort } from '../../deploy/local/free-port.ts';
import { envForNats } from '../../deploy/local/nats-users.ts';
import { ServiceProcess, type ServiceName } from '../../deploy/local/service-process.ts';
import { NatsCluster } from '../support/nats-cluster.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { PostgresPair } from './postgres-pair.ts';

/** Of each service, and of brokers. */
export const ofEach = 3;
const databaseName = 'cluster';

interface ClusterStackOptions {
  /** The clone, built. */
  readonly root: string;
  /** Servers run in it. */
  readonly folder: string;
  readonly holdPeriodMinutes: number;
}

/** Three of each service on three brokers, and on a PostgreSQL with a synchronous standby. */
export class ClusterStack {
  readonly nats: NatsCluster;
  readonly postgres: PostgresPair;
  /** The ledgers' way to PostgreSQL: what in production is an address that moves to the new primary. */
  readonly #databaseAddress: TcpProxy;
  readonly #services: ServiceProcess[] = [];

  private constructor(nats: NatsCluster, postgres: PostgresPair, databaseAddress: TcpProxy) {
    this.nats = nats;
    this.postgres = postgres;
    this.#databaseAddress = databaseAddress;
  }

  static async start(options: ClusterStackOptions): Promise<ClusterStack> {
    const { folder } = options;
    const postgres = await PostgresPair.start(folder, databaseName);
    const nats = await NatsCluster.start(folder, ofEach);
    const stack = new ClusterStack(nats, postgres, await startTcpProxy(postgres.primary));
    try {
      for (const service of ['ledger', 'settler', 'gateway'] as const) {
        await Promise.all(Array.from({ length: ofEach }, () => stack.#add(service, options)));
      }
      return stack;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  get gatewayUrls(): string[] {
    return this.#all('gateway').map(({ url }) => url);
  }

  /** The primary is gone: its standby takes over, and the ledgers are led there. */
  async failOver(): Promise<void> {
    await this.postgres.promoteStandby();
    this.#databaseAddress.pointTo(this.postgres.standby);
    this.#databaseAddress.cut();
  }

  /** A connection to the books of the standby, which has taken over. */
  async books(): Promise<Client> {
    const client = new Client(this.postgres.standby);
    await client.connect();
    return client;
  }

  /** Services that do not say of themselves that they can serve. */
  async unready(): Promise<string[]> {
    const said = await Promise.all(
      this.#services.map(async ({ service, url }) => {
        const answer = await fetch(`${url}/readyz`).then(
          async (response) => (response.ok ? undefined : response.text()),
          String,
        );
        return answer === undefined ? [] : [`a ${service} is not ready: ${answer}`];
      }),
    );
    return said.flat();
  }

  async stop(): Promise<void> {
    for (const service of ['gateway', 'settler', 'ledger'] as const) {
      await Promise.all(this.#all(service).map((each) => each.stop()));
    }
    await this.#databaseAddress.close();
    await Promise.all([this.nats.stop(), this.postgres.stop()]);
  }

  #all(service: ServiceName): ServiceProcess[] {
    return this.#services.filter((each) => each.service === service);
  }

  async #add(service: ServiceName, { root, holdPeriodMinutes }: ClusterStackOptions): Promise<void> {
    const { user, password, database } = this.postgres.primary;
    const added = new ServiceProcess({
      service,
      root,
      port: await freePort(),
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'test',
        LOG_LEVEL: 'warn',
        ...envForNats(this.nats, service),
        NATS_STREAM_REPLICAS: String(ofEach),
        ...(service === 'ledger' && {
          DB_HOST: '127.0.0.1',
          DB_PORT: String(this.#databaseAddress.port),
          DB_USER: user,
          DB_PASSWORD: password,
          DB_NAME: database,
          SUBSTRACT_HOLD_PERIOD: String(holdPeriodMinutes),
        }),
      },
    });
    this.#services.push(added);
    await added.start();
  }
}
