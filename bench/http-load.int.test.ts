import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runTypeScript } from '../test/support/run-typescript.ts';
import type { HttpOrder, LoadResult } from './load-order.ts';

/** A gateway by hand: answers `substract` and `ping` as the test says. */
class HandGateway {
  readonly #server: Server;
  requests = 0;
  readonly ids = new Set<string>();

  constructor(answer: (response: ServerResponse, id: string, count: number) => void) {
    this.#server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        this.requests += 1;
        const { id = '' } = body === '' ? {} : (JSON.parse(body) as { id: string });
        this.ids.add(id);
        answer(response, id, this.requests);
      });
    });
  }

  async listen(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const wellDone = (response: ServerResponse, id: string): void => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ id, status: 'ok' }));
};

describe('the HTTP load generator', () => {
  let gateway: HandGateway | undefined;
  afterEach(() => gateway?.close());

  const load = async (
    answer: (response: ServerResponse, id: string, count: number) => void,
    order: Partial<HttpOrder> = {},
  ): Promise<LoadResult> => {
    gateway = new HandGateway(answer);
    const whole: HttpOrder = {
      url: await gateway.listen(),
      connections: 4,
      seconds: 1,
      accounts: 50,
      mix: { substract: 100 },
      ...order,
    };
    const script = runTypeScript('bench/http-load.ts', {}, [JSON.stringify(whole)]);
    expect({ code: await script.ended, stderr: script.stderr() }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(script.stdout()) as LoadResult;
  };

  test('counts every answer, those before and after the measured time too', async () => {
    const result = await load(wellDone);
    expect(result).toMatchObject({ failed: 0, answered: { substract: gateway?.requests, add: 0 } });
    expect(result.perSecond).toBeGreaterThan(0);
    expect(result.perSecond).toBeLessThan(result.answered.substract);
    expect(result.latency.p50Ms).toBeGreaterThan(0);
    expect(result.latency.maxMs).toBeGreaterThanOrEqual(result.latency.p99Ms);
    expect(gateway?.ids.size).toBe(50);
  });

  test('takes each kind of request as often as it is asked to', async () => {
    const { answered, failed } = await load(wellDone, { mix: { substract: 1, add: 1, ping: 2 } });
    expect(failed).toBe(0);
    expect(answered.add / answered.substract).toBeCloseTo(1, 0);
    expect(answered.ping / answered.substract).toBeCloseTo(2, 0);
  });

  test('takes an answer that comes in pieces', async () => {
    const result = await load((response, id) => {
      const body = JSON.stringify({ id });
      response.setHeader('content-length', body.length).write(body.slice(0, 10));
      setImmediate(() => response.end(body.slice(10)));
    });
    expect(result.failed).toBe(0);
    expect(result.answered.substract).toBeGreaterThan(0);
  });

  test('an answer other than 200 has failed, and the first is told', async () => {
    const result = await load((response, id, count) => {
      if (count % 10 === 0) response.statusCode = 503;
      wellDone(response, id);
    });
    expect(result.failed).toBe(Math.floor((gateway?.requests ?? 0) / 10));
    expect(result.firstFailure).toContain('503 Service Unavailable');
    expect(result.answered.substract + result.failed).toBe(gateway?.requests);
  });

  test('an answer for another account has failed', async () => {
    const result = await load((response) => wellDone(response, '26c940a1-7228-4ea2-a3bc-e6460b172040'));
    expect(result.failed).toBeGreaterThan(0);
  });

  test('a connection that is closed has failed', async () => {
    const result = await load((response) => response.destroy());
    expect(result).toMatchObject({ failed: 4, answered: { substract: 0 } });
  });

  test('open loop: the rate that was asked for, and latency from when it should have started', async () => {
    // One connection, each answer after 50 ms: at 40 a second half of the requests have to wait, longer and longer.
    const result = await load((response, id) => setTimeout(() => wellDone(response, id), 50), {
      connections: 1,
      perSecond: 40,
      seconds: 2,
    });
    expect(result.failed).toBe(0);
    // All that should have started in 2.5 s were sent, the last ones after the bell.
    expect(gateway?.requests).toBeGreaterThan(90);
    expect(gateway?.requests).toBeLessThan(110);
    expect(result.latency.p99Ms).toBeGreaterThan(500);
  });

  test('open loop: its connections are used in turn', async () => {
    const requests = new Map<number | undefined, number>();
    const { failed } = await load(
      (response, id) => {
        const { remotePort } = response.req.socket;
        requests.set(remotePort, (requests.get(remotePort) ?? 0) + 1);
        wellDone(response, id);
      },
      { perSecond: 100 },
    );
    expect(failed).toBe(0);
    expect(requests.size).toBe(4);
    expect(Math.min(...requests.values())).toBeGreaterThan(10);
  });
});
