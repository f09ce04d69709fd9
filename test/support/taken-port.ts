import { once } from 'node:events';
import { createServer } from 'node:net';
import { freePort } from '../../deploy/local/free-port.ts';

/** Does something while a port of 127.0.0.1 is another program's. */
export async function whilePortTaken<T>(work: (port: number) => Promise<T>): Promise<T> {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  try {
    return await work(port);
  } finally {
    other.close();
  }
}
