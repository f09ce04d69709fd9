import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type Direction = 'toServer' | 'toClient';

const directions = ['toServer', 'toClient'] as const;

/**
 * Stands between clients and a server and does to their lines what networks do: a line that stalls or is slow, an
 * answer that is lost, one direction that is dead while the other is not.
 */
export interface TcpProxy {
  readonly port: number;
  /** From now on, bytes in this direction wait here, on every line. The end of a line waits behind them. */
  hold: (direction: Direction) => void;
  /** From the first bytes in this direction that contain `text`, those included, bytes wait here. */
  holdFrom: (direction: Direction, text: string) => void;
  /** Resolves when bytes of one line that contain `text` wait here, or have waited. */
  untilHeld: (direction: Direction, text: string) => Promise<void>;
  /** Resolves when the server has ended the latest line. */
  untilServerEnded: () => Promise<void>;
  /** Delivers all that waits in this direction at once, with the end of the line where it has come. */
  deliver: (direction: Direction) => void;
  /** From now on, bytes in this direction vanish, and so does the end of the line. */
  swallow: (direction: Direction) => void;
  /** From now on, bytes take this much longer, both ways. */
  slowDown: (delayMs: number) => void;
  /** Lines that come from now on lead there. */
  pointTo: (target: Target) => void;
  /** Cuts every line; what waits is lost. New ones flow freely and at once. */
  cut: () => void;
  close: () => Promise<void>;
}

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What happens to bytes now, on all lines alike. */
interface Weather {
  readonly mode: Record<Direction, 'flow' | 'hold' | 'swallow'>;
  delayMs: number;
  /** Bytes with which the holding begins. */
  holdFrom: { readonly direction: Direction; readonly text: string } | undefined;
}

export async function startTcpProxy(firstTarget: Target): Promise<TcpProxy> {
  let target = firstTarget;
  const weather: Weather = { mode: { toServer: 'flow', toClient: 'flow' }, delayMs: 0, holdFrom: undefined };
  const lines = new Set<Line>();
  const lookers = new Set<() => void>();
  let latest: Line | undefined;
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

  const listener = createServer({ allowHalfOpen: true }, (client) => {
    const line = new Line(
      client,
      connect({ host: target.host, port: target.port, allowHalfOpen: true }),
      weather,
      look,
    );
    latest = line;
    lines.add(line);
    line.whenClosed(() => lines.delete(line));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  const cut = (): void => {
    for (const line of lines) line.cut();
    weather.mode.toServer = 'flow';
    weather.mode.toClient = 'flow';
    weather.delayMs = 0;
    weather.holdFrom = undefined;
  };
  return {
    port: (listener.address() as AddressInfo).port,
    hold: (direction) => {
      weather.mode[direction] = 'hold';
    },
    holdFrom: (direction, text) => {
      weather.holdFrom = { direction, text };
    },
    untilHeld: (direction, text) => until(() => [...lines].some((line) => line.holds(direction, text))),
    untilServerEnded: () => until(() => latest?.serverEnded === true),
    deliver: (direction) => {
      weather.mode[direction] = 'flow';
      for (const line of lines) line.deliver(direction);
    },
    swallow: (direction) => {
      weather.mode[direction] = 'swallow';
    },
    slowDown: (delayMs) => {
      weather.delayMs = delayMs;
    },
    pointTo: (next) => {
      target = next;
    },
    cut,
    close: async () => {
      listener.close();
      cut();
      await once(listener, 'close');
    },
  };
}

const endOfLine = Symbol('the end of the line');
type Parcel = Buffer | typeof endOfLine;

function includes(parcel: Parcel, text: string): boolean {
  return parcel !== endOfLine && parcel.includes(text);
}

/** One client's line to the server. */
class Line {
  serverEnded = false;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #waiting: Record<Direction, Parcel[]> = { toServer: [], toClient: [] };
  /** Under way on a slow line, the oldest first. Timers that end in the same millisecond need not keep their order. */
  readonly #underWay: Record<Direction, Parcel[]> = { toServer: [], toClient: [] };
  /** When the parcel before this one is passed on: one that comes when the line is quick again does not hurry it. */
  readonly #lastDueMs: Record<Direction, number> = { toServer: 0, toClient: 0 };

  constructor(client: Socket, server: Socket, weather: Weather, onNews: () => void) {
    this.#client = client;
    this.#server = server;
    for (const direction of directions) {
      const [from, to] = direction === 'toServer' ? [client, server] : [server, client];
      const take = (parcel: Parcel): void => {
        if (weather.holdFrom?.direction === direction && includes(parcel, weather.holdFrom.text)) {
          weather.mode[direction] = 'hold';
          weather.holdFrom = undefined;
        }
        const mode = weather.mode[direction];
        if (mode === 'hold') this.#waiting[direction].push(parcel);
        else if (mode === 'flow') this.#pass(direction, parcel, weather.delayMs);
        onNews();
      };
      from.on('data', take);
      from.on('end', () => {
        if (from === server) this.serverEnded = true;
        take(endOfLine);
      });
      from.on('error', () => to.destroy());
      // Closed without an end: it was reset.
      from.on('close', () => {
        if (!from.readableEnded) to.destroy();
      });
    }
  }

  holds(direction: Direction, text: string): boolean {
    const bytes = this.#waiting[direction].filter((parcel) => parcel !== endOfLine);
    return Buffer.concat(bytes).includes(text);
  }

  deliver(direction: Direction): void {
    const parcels = this.#waiting[direction];
    this.#waiting[direction] = [];
    for (const parcel of parcels) this.#pass(direction, parcel, 0);
  }

  cut(): void {
    for (const direction of directions) this.#waiting[direction] = [];
    for (const socket of [this.#client, this.#server]) socket.destroy();
  }

  whenClosed(then: () => void): void {
    let open = 2;
    for (const socket of [this.#client, this.#server]) {
      socket.once('close', () => {
        open -= 1;
        if (open === 0) then();
      });
    }
  }

  #pass(direction: Direction, parcel: Parcel, delayMs: number): void {
    const nowMs = performance.now();
    const dueMs = Math.max(nowMs + delayMs, this.#lastDueMs[direction]);
    this.#lastDueMs[direction] = dueMs;
    const underWay = this.#underWay[direction];
    if (dueMs <= nowMs && underWay.length === 0) {
      this.#write(direction, parcel);
      return;
    }
    underWay.push(parcel);
    setTimeout(() => {
      const oldest = underWay.shift();
      if (oldest !== undefined) this.#write(direction, oldest);
    }, dueMs - nowMs);
  }

  #write(direction: Direction, parcel: Parcel): void {
    const to = direction === 'toServer' ? this.#server : this.#client;
    if (to.destroyed || to.writableEnded) return;
    if (parcel === endOfLine) to.end();
    else to.write(parcel);
  }
}
