import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { eventually } from '../../../test/support/eventually.ts';
import { startTcpProxy } from '../../../test/support/tcp-proxy.ts';
import { createTestDatabase } from '../../../test/support/test-database.ts';
import { migrationConfig, reportConfig, sessionConfig } from './session.ts';

/** The timer that Linux has running for the only line to `port` on this machine; undefined when it has none. */
function timerOfLineTo(port: number): { readonly kind: string; readonly leftSeconds: number } | undefined {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const each of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const [, , to, , , timer = ''] = each.trim().split(/\s+/u);
    const [kind = '', left = ''] = timer.split(':');
    // In hundredths of a second, hexadecimal.
    if (to === remote && kind !== '00') return { kind, leftSeconds: parseInt(left, 16) / 100 };
  }
  return undefined;
}

const keepAliveTimer = '02';

// Without a delay of ours, the kernel asks after two hours whether the other end is there.
test.each([migrationConfig, reportConfig, sessionConfig])(
  '%p: a quiet line is asked about within seconds',
  async (config) => {
    const database = await createTestDatabase();
    const proxy = await startTcpProxy(database.connection);
    const client = new Client(config({ ...database.address, host: '127.0.0.1', port: proxy.port }));
    await client.connect();
    try {
      const timer = await eventually(async () => {
        const running = timerOfLineTo(proxy.port);
        return running?.kind === keepAliveTimer ? running : undefined;
      });
      expect(timer.leftSeconds).toBeLessThanOrEqual(2);
    } finally {
      await client.end();
      await proxy.close();
      await database.drop();
    }
  },
);

// The server's own default is two hours, in which a machine that vanished while it migrated would keep others from it.
test.each([migrationConfig, reportConfig, sessionConfig])(
  '%p: the server asks within seconds, too, whether its client is still there',
  async (config) => {
    const database = await createTestDatabase();
    const client = new Client(config(database.address));
    await client.connect();
    try {
      const { rows } = await client.query(
        `SELECT name, setting::integer AS seconds FROM pg_settings WHERE name LIKE 'tcp_keepalives%'
         UNION SELECT 'is over TCP', (inet_client_addr() IS NOT NULL)::integer ORDER BY name`,
      );
      expect(rows).toEqual([
        { name: 'is over TCP', seconds: 1 },
        { name: 'tcp_keepalives_count', seconds: 3 },
        { name: 'tcp_keepalives_idle', seconds: 10 },
        { name: 'tcp_keepalives_interval', seconds: 3 },
      ]);
    } finally {
      await client.end();
      await database.drop();
    }
  },
);
