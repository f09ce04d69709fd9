import { expect, test } from '@jest/globals';
import { natsUserNames } from '../../shared/contracts/nats-users.ts';
import { natsConfig } from './nats-config.ts';
import type { NatsPasswords } from './nats-users.ts';

const passwords = Object.fromEntries(natsUserNames.map((user) => [user, `${user}'s`])) as NatsPasswords;
const options = {
  host: '127.0.0.1',
  port: 4333,
  storeDir: '/home/a "b"/hold fast/nats',
  pidFile: '/home/a/nats.pid',
  passwords,
};

test('paths are quoted, acknowledged messages are on disk, and nobody else reaches it', () => {
  const config = natsConfig(options);
  expect(config).toContain('listen: "127.0.0.1:4333"');
  expect(config).toContain(String.raw`store_dir: "/home/a \"b\"/hold fast/nats"`);
  expect(config).toContain('sync_interval: always');
  expect(config).toContain('max_file_store: 4GB');
});

test('one of a cluster has a name of its own and knows the others', () => {
  expect(natsConfig(options)).not.toContain('cluster');
  const config = natsConfig({ ...options, cluster: { serverName: 'one', port: 1, ports: [1, 2] } });
  expect(config).toContain('server_name: one\n');
  expect(config).toContain('routes: ["nats-route://127.0.0.1:1", "nats-route://127.0.0.1:2"]');
});

test('only users come in, unless tests want it otherwise', () => {
  const config = natsConfig(options);
  for (const user of natsUserNames) expect(config).toContain(`user: "${user}"\n      password: "${user}'s"`);
  expect(config).not.toContain('no_auth_user');
  expect(natsConfig({ ...options, open: true })).toContain('no_auth_user: "anyone"');
});
