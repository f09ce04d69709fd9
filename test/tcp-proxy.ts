import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

type Direction = 'toServer' | 'toClient';

/**
 * Stands between a client and a server and can hold back what one of them says: a line that stalls, a process that is
 * frozen, an answer that is lost.
 */
export interface TcpProxy {
  readonly port: number;
  /** From now on, bytes in this direction wait here. The end of the line waits behind them. */
  hold: (direction: Direction) => void;
  /** Resolves when bytes that contain `text` wait here, or have waited. */
  untilHeld: (direction: Direction, text: string) => Promise<void>;
  /** Resolves when the server has ended the line. */
  untilServerEnded: () => Promise<void>;
  /** Delivers all that waits in this direction at once, with the end of the line where it has come. */
  deliver: (direction: Direction) => void;
  /** Cuts every line; what waits is lost. New ones flow freely. */
  cut: () => void;
  close: () => Promise<void>;
}

export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const held: Record<Direction, Buffer[]> = { toServer: [], toClient: [] };
  const holding: Record<Direction, boolean> = { toServer: false, toClient: false };
  const sockets = new Set<Socket>();
  const lookers = new Set<() => void>();
  let lastClient: Socket | undefined;
  let lastServer: Socket | undefined;
  let serverEnded = false;
  const look = (): void => {
    for (const looker of lookers) looker();
  };
  const until = (condition: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const looker = (): void => {
        if (!condition()) return;
        lookers.delete(looker);
        resolve();
      };
      lookers.add(looker);
      looker();
    });

  const listener = createServer((client) => {
    const server = connect(target);
    [lastClient, lastServer, serverEnded] = [client, server, false];
    const pass = (direction: Direction, from: Socket, to: Socket): void => {
      sockets.add(from);
      from.on('data', (bytes) => {
        if (holding[direction]) held[direction].push(bytes);
        else to.write(bytes);
        look();
      });
      from.on('end', () => {
        if (from === server) serverEnded = true;
        if (!holding[direction]) to.end();
        look();
      });
      from.on('error', () => to.destroy());
      from.on('close', () => sockets.delete(from));
    };
    pass('toServer', client, server);
    pass('toClient', server, client);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    for (const direction of ['toServer', 'toClient'] as const) {
      held[direction] = [];
      holding[direction] = false;
    }
  };
  return {
    port: (listener.address() as AddressInfo).port,
    hold: (direction) => {
      holding[direction] = true;
    },
    untilHeld: (direction, text) => until(() => Buffer.concat(held[direction]).includes(text)),
    untilServerEnded: () => until(() => serverEnded),
    deliver: (direction) => {
      const to = direction === 'toClient' ? lastClient : lastServer;
      holding[direction] = false;
      to?.write(Buffer.concat(held[direction]));
      held[direction] = [];
      if (direction === 'toClient' && serverEnded) to?.end();
    },
    cut,
    close: async () => {
      cut();
      listener.close();
      await once(listener, 'close');
    },
  };
}
