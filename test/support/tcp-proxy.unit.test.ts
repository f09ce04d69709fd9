import { expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { startTcpProxy } from './tcp-proxy.ts';

test('a line keeps what it carries in order, also when it stops being slow', async () => {
  let arrived = '';
  const server = createServer((socket) => socket.on('data', (bytes) => (arrived += bytes.toString())));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await startTcpProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });

  const client = connect({ host: '127.0.0.1', port: proxy.port, noDelay: true });
  try {
    await once(client, 'connect');
    let sent = '';
    for (let number = 0; number < 2_000; number += 1) {
      if (number % 200 === 0) proxy.slowDown(50);
      if (number % 200 === 100) proxy.slowDown(0);
      sent += `${number} `;
      client.write(`${number} `);
      await nextTurn();
    }
    client.end();
    await once(client, 'close');
    expect(arrived).toBe(sent);
  } finally {
    client.destroy();
    await proxy.close();
    server.close();
  }
});
