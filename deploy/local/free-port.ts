import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below what Linux (32768) and macOS (49152) hand out to outgoing connections: from there, a client that keeps trying
 * a server which is being restarted can be given the server's own port, connect to itself and keep the port taken.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 31_999;
const TRIES = 100;

/** A TCP port that is free on `host` now; someone else may take it before we do. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let i = 0; i < TRIES; i += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    if (await isPortFree(port, host)) return port;
  }
  throw new Error(`no free TCP port found on ${host} between ${FIRST_PORT} and ${LAST_PORT}`);
}

/** Whether one could listen on this port of `host` now. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
