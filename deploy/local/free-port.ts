import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below what Linux (32768) and macOS (49152) hand out to outgoing connections: from there, a client that keeps trying
 * a server which is being restarted can be given the server's own port, connect to itself and keep the port taken.
 */
const firstPort = 20_000;
const lastPort = 31_999;
const tries = 100;

/** One after the other from a random one on: who was given one may not listen yet, and nobody else is to be given it then. */
let nextPort = randomInt(firstPort, lastPort + 1);

/** A TCP port that is free on `host` now; someone else may take it before we do. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let i = 0; i < tries; i += 1) {
    const port = nextPort;
    nextPort = port === lastPort ? firstPort : port + 1;
    if (await isPortFree(port, host)) return port;
  }
  throw new Error(`no free TCP port found on ${host} between ${firstPort} and ${lastPort}`);
}

/** Whether one could listen on this port of `host` now. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
