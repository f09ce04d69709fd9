import { expect, test } from '@jest/globals';
import { natsConfig } from './nats-config.ts';

test('paths are quoted, acknowledged messages are on disk, and nobody else reaches it', () => {
  const config = natsConfig({
    host: '127.0.0.1',
    port: 4333,
    storeDir: '/home/a "b"/hold fast/nats',
    pidFile: '/home/a/nats.pid',
  });
  expect(config).toContain('listen: "127.0.0.1:4333"');
  expect(config).toContain(String.raw`store_dir: "/home/a \"b\"/hold fast/nats"`);
  expect(config).toContain('sync_interval: always');
  expect(config).toContain('max_file_store: 4GB');
});
