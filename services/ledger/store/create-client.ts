import { Client, type ClientConfig } from 'pg';

/** A connection, not made yet, whose loss fails the query that is under way or comes next: unheard, it would end the process. */
export function createClient(config: ClientConfig): Client {
  const client = new Client(config);
  client.on('error', () => undefined);
  return client;
}
