import { randomUUID } from 'node:crypto';
import { natsAuthorization } from './nats-authorization.ts';
import type { NatsPasswords } from './nats-users.ts';

export interface NatsConfigOptions {
  readonly host: string;
  readonly port: number;
  /** JetStream's folder. */
  readonly storeDir: string;
  readonly pidFile: string;
  readonly passwords: NatsPasswords;
  /** Whoever gives no credentials may do everything; for tests. */
  readonly open?: boolean;
  readonly cluster?: NatsClusterOptions;
}

/** A server as one of a cluster on this machine. */
export interface NatsClusterOptions {
  /** Its name in the cluster, of its own. */
  readonly serverName: string;
  /** Where the others reach it. */
  readonly port: number;
  /** Where each of the cluster is reached, itself included. */
  readonly ports: readonly number[];
}

/** The whole nats-server.conf, written anew at every start: sections, each with its reasons. */
export function natsConfig(options: NatsConfigOptions): string {
  return [network(options), jetStream(options), authorization(options), ...clusterOf(options)].join('\n');
}

function network({ host, port, pidFile, cluster }: NatsConfigOptions): string {
  return `# Written by npm start, every time.

server_name: ${cluster?.serverName ?? 'holdfast'}
# For this machine alone.
listen: ${quoted(`${host}:${port}`)}
pid_file: ${quoted(pidFile)}
# nats-server's own default, twice what the contracts allow for one payload of commands.
max_payload: 1MB
`;
}

function jetStream({ storeDir }: NatsConfigOptions): string {
  return `jetstream {
  store_dir: ${quoted(storeDir)}
  # An acknowledged message is on disk: the default, every two minutes, loses them when the power fails.
  sync_interval: always
  # Streams here live in files; these bounds only keep a runaway one from taking the machine.
  max_memory_store: 64MB
  max_file_store: 4GB
}
`;
}

function authorization({ passwords, open = false }: NatsConfigOptions): string {
  const users = (more: readonly string[]) => natsAuthorization((user) => quoted(passwords[user]), more);
  if (!open) return users([]);
  return `no_auth_user: "${anyone}"\n${users([`    { user: "${anyone}", password: ${quoted(randomUUID())} }\n`])}`;
}

function clusterOf({ host, cluster }: NatsConfigOptions): string[] {
  if (cluster === undefined) return [];
  const { port, ports } = cluster;
  const routes = ports.map((each) => quoted(`nats-route://${host}:${each}`));
  return [
    `cluster {
  name: holdfast
  listen: ${quoted(`${host}:${port}`)}
  routes: [${routes.join(', ')}]
}
`,
  ];
}

/** Stands for all who give no credentials, and has no limits. */
const anyone = 'anyone';

function quoted(text: string): string {
  return JSON.stringify(text);
}
