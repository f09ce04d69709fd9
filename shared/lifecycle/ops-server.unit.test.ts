import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { SettingsError } from '../config/parse-settings.ts';
import { startOpsServer, type OpsServer } from './ops-server.ts';

describe('ops server', () => {
  let missing: string[];
  let server: OpsServer;
  let origin: string;
  beforeEach(async () => {
    missing = [];
    server = await startOpsServer({
      host: '127.0.0.1',
      port: 0,
      portSetting: 'X_PORT',
      missing: () => missing,
    });
    origin = `http://127.0.0.1:${server.port}`;
  });
  afterEach(() => server.close());

  test('is alive, ready or not', async () => {
    missing = ['nats'];
    const answer = await fetch(`${origin}/healthz`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'ok' });
  });

  test('is ready when nothing is missing', async () => {
    const answer = await fetch(`${origin}/readyz?verbose`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'ready' });
  });

  test('says what is missing', async () => {
    missing = ['postgres', 'nats'];
    const answer = await fetch(`${origin}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ status: 'not ready', missing: ['postgres', 'nats'] });
  });

  test('knows nothing else', async () => {
    expect((await fetch(`${origin}/`)).status).toBe(404);
    const answer = await fetch(`${origin}/readyz`, { method: 'POST' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  test.each([
    ['has sent nothing', ''],
    ['has sent half a request', 'GET /healthz HTTP/1.1\r\nHost'],
  ])('stops at once though a connection that %s is open', async (_, bytes) => {
    const client = connect(server.port, '127.0.0.1').on('error', () => undefined);
    const closed = once(client.resume(), 'close');
    await once(client, 'connect');
    client.write(bytes);
    // The server has taken that connection when it answers on a later one.
    await fetch(`${origin}/healthz`);
    await server.close();
    await closed;
    expect(client.destroyed).toBe(true);
  });

  test('names the setting when the port is taken', async () => {
    const second = startOpsServer({
      host: '127.0.0.1',
      port: server.port,
      portSetting: 'X_PORT',
      missing: () => [],
    });
    await expect(second).rejects.toThrow(SettingsError);
    await expect(second).rejects.toThrow(/^X_PORT is \d+, but another process already listens there/);
  });
});
