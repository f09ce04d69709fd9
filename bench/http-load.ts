import { connect, type Socket } from 'node:net';
import { accountIdAt } from './account-ids.ts';
import { LoadClock } from './load-clock.ts';
import type { HttpOrder, RequestKind } from './load-order.ts';

/*
 * The HTTP load generator, a process of its own: reads an HttpOrder from its first argument, writes a LoadResult.
 * It writes requests to plain sockets and understands just the answers that the gateway gives, for a full client
 * costs two to three times the CPU, on the processors that the services need.
 */

interface Planned {
  readonly kind: RequestKind;
  readonly accountId: string;
  readonly startMs: number;
}

const order = JSON.parse(process.argv[2] ?? '') as HttpOrder;
const { hostname, port } = new URL(order.url);
const clock = new LoadClock(order.seconds);
const host = `Host: ${hostname}:${port}\r\n`;
/** An answer takes milliseconds, and at most the gateway's 5 s. */
const giveUpMs = 10_000;
/** Of so many answers one is read whole. */
const checkedEvery = 64;
const bufferBytes = 16 * 1024;

const kinds = Object.entries(order.mix).flatMap(([kind, share]) =>
  Array.from({ length: share }, () => kind as RequestKind),
);
let next = 0;

function plan(startMs: number): Planned {
  const kind = kinds[(next += 1) % kinds.length] ?? 'ping';
  const accountId = kind === 'ping' ? '' : accountIdAt(Math.floor(Math.random() * order.accounts));
  return { kind, accountId, startMs };
}

function textOf({ kind, accountId }: Planned): string {
  if (kind === 'ping') return `GET /api/ping HTTP/1.1\r\n${host}\r\n`;
  if (kind === 'status') return `GET /api/status/${accountId} HTTP/1.1\r\n${host}\r\n`;
  const body = `{"id":"${accountId}","amount":"0.01"}`;
  return `POST /api/${kind} HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** One kept-alive connection with at most one request under way. */
class Line {
  readonly #socket: Socket;
  readonly #onFree: (line: Line) => void;
  #planned: Planned | undefined;
  #text = '';
  #answers = 0;

  constructor(onFree: (line: Line) => void) {
    this.#onFree = onFree;
    const buffer = Buffer.allocUnsafe(bufferBytes);
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      // Read into one buffer of its own: a stream would allocate one for every answer.
      onread: {
        buffer,
        callback: (bytes) => {
          this.#read(buffer.toString('latin1', 0, bytes));
          return true;
        },
      },
    });
    this.#socket.setTimeout(giveUpMs, () => {
      // Of an open loop's connections some are idle for long.
      if (this.#planned !== undefined) this.#socket.destroy(new Error('no answer'));
    });
    this.#socket.on('connect', () => onFree(this));
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#socket.on('close', () => this.#fail('the connection was closed'));
  }

  send(planned: Planned): void {
    this.#planned = planned;
    this.#socket.write(textOf(planned), 'latin1');
  }

  end(): void {
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    const text = this.#text + chunk;
    const headEnd = text.indexOf('\r\n\r\n');
    const [, length] = headEnd < 0 ? [] : (/\r\ncontent-length: (\d+)/i.exec(text) ?? []);
    if (length === undefined || text.length < headEnd + 4 + Number(length)) {
      this.#text = text;
      return;
    }
    this.#text = '';
    const planned = this.#planned;
    if (planned === undefined) return;
    this.#planned = undefined;
    this.#answers += 1;
    const isRight =
      text.startsWith('HTTP/1.1 200 ') &&
      (this.#answers % checkedEvery !== 1 || answers(planned, text.slice(headEnd + 4)));
    if (isRight) clock.answered(planned.kind, planned.startMs);
    else clock.failed(text);
    this.#onFree(this);
  }

  /** The connection is of no more use, and nothing takes its place: the run is void. */
  #fail(why: string): void {
    if (!lines.has(this)) return;
    clock.failed(why);
    drop(this);
  }
}

/** Whether the body is what was asked for. */
function answers({ kind, accountId }: Planned, body: string): boolean {
  const answer = JSON.parse(body) as { status?: string; id?: string; account?: { id?: string } };
  return kind === 'ping' ? answer.status === 'ok' : (answer.account?.id ?? answer.id) === accountId;
}

const lines = new Set<Line>();
const free: Line[] = [];
/** Open loop: requests that should have started and have no connection. */
const late: Planned[] = [];

function proceed(line: Line): void {
  const waiting = late.shift();
  if (waiting !== undefined) line.send(waiting);
  else if (clock.isOver()) drop(line);
  else if (order.perSecond === undefined) line.send(plan(performance.now()));
  else free.push(line);
}

/** The last one to go tells what came of it all. */
function drop(line: Line): void {
  lines.delete(line);
  line.end();
  if (lines.size === 0) process.stdout.write(JSON.stringify(clock.result()));
}

/** Starts what is due by now, each with the time at which it should have started. */
function arrive(perSecond: number): void {
  const beganMs = performance.now();
  let started = 0;
  const timer = setInterval(() => {
    if (clock.isOver()) {
      clearInterval(timer);
      for (const line of free) drop(line);
      return;
    }
    const due = ((performance.now() - beganMs) / 1000) * perSecond;
    for (; started < due; started += 1) {
      const planned = plan(beganMs + (started / perSecond) * 1000);
      // The one that has rested longest: the gateway closes those that are not used for 10 s.
      const line = free.shift();
      if (line === undefined) late.push(planned);
      else line.send(planned);
    }
  }, 1);
}

for (let count = 0; count < order.connections; count += 1) lines.add(new Line(proceed));
if (order.perSecond !== undefined) arrive(order.perSecond);
