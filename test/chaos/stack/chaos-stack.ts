import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, type ClientConfig } from 'pg';
import { provideNatsServer } from '../../../deploy/local/nats-binary/find-nats-server.ts';
import { startNatsServer, type NatsServer } from '../../../deploy/local/nats-server.ts';
import { startPostgres, type PostgresServer } from '../../../deploy/local/postgres-server.ts';
import type { ServiceName } from '../../../deploy/local/service-process.ts';
import { SmallDisk } from './disk.ts';
import { startService, type ServiceVictim } from './service-victim.ts';
import { Victim } from './victim.ts';

export type Database = ClientConfig &
  Readonly<Record<'host' | 'user' | 'password' | 'database', string>> & { readonly port: number };

export interface ChaosStackOptions {
  /** The folder whose `dist` is run. */
  readonly root: string;
  /** Servers run in it, and everything that is kept. */
  readonly folder: string;
  readonly gateways: number;
  readonly ledgers: number;
  readonly settlers: number;
  readonly holdPeriodMinutes: number;
  /** Told when a process ends though nobody killed it. */
  readonly onOwnEnd: (text: string) => void;
}

const diskMegabytes = { nats: 512, postgres: 2_048 };

/** The servers of a stack: real ones, kept running by the product's own supervisor, on small disks where we may. */
export class Servers {
  readonly nats: Victim;
  readonly postgres: Victim;
  /** Disks that can be filled up; missing where mounting is not allowed. */
  readonly disks: ReadonlyMap<'nats' | 'postgres', SmallDisk>;
  readonly #folder: string;
  readonly #natsBinary: string;
  #natsServer: NatsServer | undefined;
  #postgresServer: PostgresServer | undefined;

  private constructor(
    folder: string,
    natsBinary: string,
    disks: ReadonlyMap<'nats' | 'postgres', SmallDisk>,
    onOwnEnd: (text: string) => void,
  ) {
    this.#folder = folder;
    this.#natsBinary = natsBinary;
    this.disks = disks;
    this.nats = new Victim(
      'nats-server',
      async () => {
        this.#natsServer = await this.#startNats(folder, this.#natsServer?.port);
        return this.#natsServer.process;
      },
      onOwnEnd,
    );
    this.postgres = new Victim(
      'postgres',
      async () => {
        const port = this.#postgresServer?.port;
        this.#postgresServer = await startPostgres({ dataDir: folder, ...(port !== undefined && { port }) });
        return this.#postgresServer.process;
      },
      onOwnEnd,
    );
  }

  static async start(folder: string, onOwnEnd: (text: string) => void, small: boolean): Promise<Servers> {
    const { path } = await provideNatsServer(folder, process.env);
    const disks = new Map<'nats' | 'postgres', SmallDisk>();
    for (const server of small ? (['nats', 'postgres'] as const) : []) {
      const disk = await SmallDisk.mount(join(folder, server), diskMegabytes[server]);
      if (disk !== undefined) disks.set(server, disk);
    }
    const servers = new Servers(folder, path, disks, onOwnEnd);
    await Promise.all([servers.nats.start(), servers.postgres.start()]);
    return servers;
  }

  get natsAddress(): NatsServer {
    if (this.#natsServer === undefined) throw new Error('nats-server was not started');
    return this.#natsServer;
  }

  /** Makes a database of that name, and says how to reach it. */
  async createDatabase(database: string): Promise<Database> {
    if (this.#postgresServer === undefined) throw new Error('postgres was not started');
    await this.#postgresServer.createDatabase(database);
    const { host, port, user, password } = this.#postgresServer;
    return { host, port, user, password, database };
  }

  /** JetStream's folder: its loss is a fault, and what was in it evidence. */
  get jetStreamFolder(): string {
    return join(this.#folder, 'nats/jetstream');
  }

  /** Starts another nats-server on `dataDir`, to look at what is there; the caller stops it. */
  startOtherNats(dataDir: string): Promise<NatsServer> {
    return this.#startNats(dataDir);
  }

  #startNats(dataDir: string, port?: number): Promise<NatsServer> {
    return startNatsServer({
      dataDir,
      binary: this.#natsBinary,
      // Services are their own users; the clients of the campaign do what no user may, such as emptying streams.
      open: true,
      ...(port !== undefined && { port }),
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.nats.stop(), this.postgres.stop()]);
    for (const disk of this.disks.values()) await disk.unmount();
  }
}

/** Real services on real servers, each line between them through a proxy, each process to be killed or frozen at will. */
export class ChaosStack {
  readonly servers: Servers;
  readonly database: Database;
  readonly services: readonly ServiceVictim[];

  private constructor(servers: Servers, database: Database, services: readonly ServiceVictim[]) {
    this.servers = servers;
    this.database = database;
    this.services = services;
  }

  /** Starts services on a database of their own, and waits until they are ready. */
  static async start(servers: Servers, options: ChaosStackOptions, name: string): Promise<ChaosStack> {
    const database = await servers.createDatabase(name);
    const folder = await mkdtemp(join(options.folder, 'services-'));
    const wanted: [ServiceName, number][] = [
      ['ledger', options.ledgers],
      ['settler', options.settlers],
      ['gateway', options.gateways],
    ];
    const services: ServiceVictim[] = [];
    try {
      for (const [service, count] of wanted) {
        const started = Array.from({ length: count }, (_, index) =>
          startService({
            service,
            index,
            root: options.root,
            folder,
            nats: servers.natsAddress,
            database,
            holdPeriodMinutes: options.holdPeriodMinutes,
            onOwnEnd: options.onOwnEnd,
          }),
        );
        services.push(...(await Promise.all(started)));
      }
    } catch (error) {
      await Promise.all(services.map((service) => service.stop()));
      throw error;
    }
    return new ChaosStack(servers, database, services);
  }

  all(service: ServiceName): ServiceVictim[] {
    return this.services.filter((each) => each.service === service);
  }

  one(service: ServiceName, index = 0): ServiceVictim {
    const found = this.all(service)[index];
    if (found === undefined) throw new Error(`there is no ${service} ${index}`);
    return found;
  }

  /** A connection to the books, past every proxy. */
  async books(): Promise<Client> {
    const client = new Client(this.database);
    // A connection that a fault cuts shows at the next query.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async stop(): Promise<void> {
    for (const service of ['gateway', 'settler', 'ledger'] as const) {
      await Promise.all(this.all(service).map((each) => each.stop()));
    }
  }
}

/** A folder for one run, below the system's temporary one; Postgres's own user must be able to pass through it. */
export async function makeRunFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast chaos '));
  await mkdir(join(path, 'kept'));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}
