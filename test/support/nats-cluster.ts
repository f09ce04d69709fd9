import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { join } from 'node:path';
import { freePort } from '../../deploy/local/free-port.ts';
import { provideNatsServer } from '../../deploy/local/nats-binary/find-nats-server.ts';
import type { NatsClusterOptions } from '../../deploy/local/nats-config.ts';
import { startNatsServer, type NatsServer } from '../../deploy/local/nats-server.ts';
import { keptPasswords, writeNatsUsers, type NatsPasswords } from '../../deploy/local/nats-users.ts';
import { eventually } from './eventually.ts';

/**
 * Servers of 2.10.27 that start for the first time at the same moment now and then, once in some 15 times, never learn what
 * one of them has room for ("no suitable peers for placement"). Started again they do.
 */
const ledWithinMs = 20_000;
const tries = 4;
const apiMs = 2_000;
const stopMs = 10_000;

/** One server of a cluster. */
export class NatsNode {
  readonly name: string;
  readonly #start: () => Promise<NatsServer>;
  #server: NatsServer | undefined;

  constructor(name: string, start: () => Promise<NatsServer>) {
    this.name = name;
    this.#start = start;
  }

  async start(): Promise<void> {
    this.#server = await this.#start();
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#server?.process.kill();
    await this.#server?.process.exited;
  }

  async stop(): Promise<void> {
    await this.#server?.process.stop(stopMs);
  }
}

/** Servers with JetStream that are one cluster, on this machine. Whoever gives no credentials may do everything. */
export class NatsCluster {
  readonly nodes: readonly NatsNode[];
  /** Where each server is, separated by commas. */
  readonly url: string;
  readonly passwords: NatsPasswords;

  private constructor(nodes: readonly NatsNode[], url: string, passwords: NatsPasswords) {
    this.nodes = nodes;
    this.url = url;
    this.passwords = passwords;
  }

  /** Starts them in folders below `folder`, and waits until they have chosen whom they follow. */
  static async start(folder: string, count: number): Promise<NatsCluster> {
    const { path: binary } = await provideNatsServer(folder, process.env);
    const passwords = await keptPasswords(folder);
    const routePorts = await Promise.all(Array.from({ length: count }, freePort));
    const nodes: NatsNode[] = [];
    const urls: string[] = [];
    for (const [index, routePort] of routePorts.entries()) {
      const name = `nats-${index + 1}`;
      const dataDir = join(folder, name);
      const port = await freePort();
      const url = `nats://127.0.0.1:${port}`;
      await writeNatsUsers(dataDir, url, passwords);
      const cluster: NatsClusterOptions = { serverName: name, port: routePort, ports: routePorts };
      urls.push(url);
      nodes.push(new NatsNode(name, () => startNatsServer({ dataDir, binary, port, open: true, cluster })));
    }
    const started = new NatsCluster(nodes, urls.join(','), passwords);
    try {
      await started.#startLed(urls);
    } catch (error) {
      await started.stop();
      throw error;
    }
    return started;
  }

  async #startLed(servers: string[]): Promise<void> {
    for (let left = tries; ; left -= 1) {
      await Promise.all(this.nodes.map((node) => node.start()));
      try {
        await this.#untilLed(servers);
        return;
      } catch (error) {
        if (left === 1) throw error;
        await this.stop();
      }
    }
  }

  /** Until they know each other and have a leader, nobody can make a stream on all of them. */
  async #untilLed(servers: string[]): Promise<void> {
    const connection = await connect({ servers });
    const probe = { name: 'PROBE', subjects: ['probe'], num_replicas: this.nodes.length };
    try {
      const { streams } = await jetstreamManager(connection, { checkAPI: false, timeout: apiMs });
      await eventually(() => streams.add(probe).catch(() => undefined), ledWithinMs);
      await streams.delete(probe.name);
    } finally {
      await connection.close();
    }
  }

  node(name: string): NatsNode {
    const found = this.nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`there is no ${name} in the cluster`);
    return found;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}
