import { DeliverPolicy, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { eventSchema, type Fact } from '../../shared/contracts/events.ts';
import { eventsStream } from '../../shared/contracts/subjects.ts';
import { connectNats, type NatsLink } from '../../shared/messaging/connect.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import type { Servers } from './stack/chaos-stack.ts';

const nextMessageMs = 10_000;

/** What the broker was told, also what it has lost since: each folder that a fault takes from it is kept. */
export class Evidence {
  readonly folder: string;
  readonly connection: NatsConnection;
  readonly #servers: Servers;
  readonly #lost: { readonly dataDir: string; readonly atMs: number }[] = [];

  constructor(folder: string, connection: NatsConnection, servers: Servers) {
    this.folder = folder;
    this.connection = connection;
    this.#servers = servers;
  }

  /** The broker was killed, and its data folder is now this one. */
  brokerDataLost(dataDir: string): void {
    this.#lost.push({ dataDir, atMs: performance.now() });
  }

  /** When the broker last lost its data; -Infinity when it never did. */
  get brokerDataLostAtMs(): number {
    return this.#lost.at(-1)?.atMs ?? -Infinity;
  }

  /** All that was ever published and acknowledged. */
  async facts(): Promise<Fact[]> {
    const facts = await readFacts(this.connection);
    for (const { dataDir } of this.#lost) facts.push(...(await this.#factsIn(dataDir)));
    return facts;
  }

  async #factsIn(dataDir: string): Promise<Fact[]> {
    const server = await this.#servers.startOtherNats(dataDir);
    const link = await connectToNats(server.url);
    try {
      return await readFacts(link.connection);
    } finally {
      await link.drain();
      await server.process.stop(5_000);
    }
  }
}

/** As a service of somebody else's connects; several are servers of one cluster. */
export function connectToNats(...urls: readonly string[]): Promise<NatsLink> {
  return connectNats({ urls, name: 'chaos', logger: createLogger('chaos', 'silent') });
}

/** Everything in the stream of facts. */
export async function readFacts(connection: NatsConnection): Promise<Fact[]> {
  const facts: Fact[] = [];
  const consumer = await jetstream(connection).consumers.get(eventsStream, {
    deliver_policy: DeliverPolicy.All,
  });
  let { num_pending: pending } = await consumer.info();
  while (pending > 0) {
    const message = await consumer.next({ expires: nextMessageMs });
    if (message === null) throw new Error(`${pending} facts are in the stream and do not come`);
    facts.push(...eventSchema.parse(message.json()));
    pending = message.info.pending;
  }
  return facts;
}
