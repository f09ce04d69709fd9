import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { accountIdAt } from './account-ids.ts';
import { createLatencies, recordMs, summaryOf } from './latency.ts';
import type { PhaseResult, SteadyOrder, SteadyResult } from './load-order.ts';

/*
 * A load generator that does not wait for answers: requests leave at a constant rate, whatever becomes of them, as they
 * do where callers don't know of each other. A closed loop sends when an answer has come, so that a slow server is asked
 * less. A process of its own, on bare sockets: with four times what the server can do it must not be the limit itself.
 */

/** Slower than this is not normal. */
const slowMs = 250;
const patienceMs = 10_000;
const tickMs = 2;

/** What a phase has come to so far. */
class Count {
  readonly beganMs = performance.now();
  applied = 0;
  looks = 0;
  refused = 0;
  unexpected: Record<string, number> = {};
  underWay = 0;
  notSent = 0;
  lastTroubleMs = 0;
  readonly ok = createLatencies();
  readonly refusal = createLatencies();

  surprise(what: string): void {
    this.unexpected[what] = (this.unexpected[what] ?? 0) + 1;
  }

  result(): PhaseResult {
    const { applied, looks, refused, unexpected, underWay, notSent, lastTroubleMs } = this;
    const [ok, refusal] = [summaryOf(this.ok), summaryOf(this.refusal)];
    return {
      applied,
      looks,
      refused,
      unexpected,
      unanswered: underWay,
      notSent,
      ok,
      refusal,
      lastTroubleMs,
    };
  }
}

interface Sent {
  readonly count: Count;
  readonly sentMs: number;
  readonly isLook: boolean;
}

/** A kept-alive connection with at most one request under way. */
class Line {
  readonly #url: URL;
  readonly #onFree: (line: Line) => void;
  #socket: Socket;
  #text = '';
  #sent: Sent | undefined;

  constructor(url: URL, onFree: (line: Line) => void) {
    this.#url = url;
    this.#onFree = onFree;
    this.#socket = this.#open();
  }

  send(request: string, sent: Sent): void {
    this.#sent = sent;
    sent.count.underWay += 1;
    this.#socket.write(request);
  }

  end(): void {
    this.#socket.removeAllListeners('close').destroy();
  }

  #open(): Socket {
    const socket = connect({ host: this.#url.hostname, port: Number(this.#url.port), noDelay: true });
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#socket = this.#open();
      this.#text = '';
      this.#settle((count) => count.surprise('connection closed'));
    });
    return socket;
  }

  #read(text: string): void {
    this.#text += text;
    const headEnd = this.#text.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = this.#text.slice(0, headEnd).toLowerCase();
    const length = Number(/content-length: (\d+)/u.exec(head)?.[1]);
    if (this.#text.length < headEnd + 4 + length) return;
    const body = this.#text.slice(headEnd + 4);
    this.#text = '';
    this.#settle((count, { sentMs, isLook }) => {
      const nowMs = performance.now();
      const tookMs = nowMs - sentMs;
      const status = head.slice(9, 12);
      const isRefusal = status === '503';
      if (status !== '200' && !isRefusal) count.surprise(status);
      else if (isRefusal && !(body.includes('"code":"overloaded"') && head.includes('\r\nretry-after: ')))
        count.surprise(`503 ${/"code":"(\w+)"/u.exec(body)?.[1] ?? ''}`.trim());
      else {
        if (isRefusal) count.refused += 1;
        else if (isLook) count.looks += 1;
        else count.applied += 1;
        recordMs(isRefusal ? count.refusal : count.ok, tookMs);
      }
      if (isRefusal || tookMs > slowMs)
        count.lastTroubleMs = Math.max(count.lastTroubleMs, sentMs - count.beganMs);
    });
  }

  #settle(note: (count: Count, sent: Sent) => void): void {
    const sent = this.#sent;
    if (sent === undefined) return;
    this.#sent = undefined;
    sent.count.underWay -= 1;
    note(sent.count, sent);
    this.#onFree(this);
  }
}

async function run(order: SteadyOrder): Promise<SteadyResult> {
  const next = requestsFor(order);
  const before = process.cpuUsage();
  const idle: Line[] = [];
  let onFree = (line: Line): void => void idle.push(line);
  const url = new URL(order.url);
  const lines = Array.from({ length: order.connections }, () => new Line(url, (line) => onFree(line)));
  const counts: Count[] = [];
  idle.push(...lines);
  for (const { seconds, perSecond, connections = lines.length } of order.phases) {
    const count = new Count();
    counts.push(count);
    const endMs = count.beganMs + seconds * 1_000;
    const start = (line: Line): void => {
      const { request, isLook } = next();
      line.send(request, { count, sentMs: performance.now(), isLook });
    };
    if (perSecond === undefined) {
      onFree = (line) => {
        if (performance.now() < endMs) start(line);
        else idle.push(line);
      };
      for (const line of idle.splice(0, connections)) start(line);
      await delay(seconds * 1_000);
    } else {
      onFree = (line) => void idle.push(line);
      await offer(count, endMs, perSecond, idle, start);
    }
    onFree = (line) => void idle.push(line);
    // A closed loop's last answers are not the next one's load.
    if (perSecond === undefined) await untilAnswered([count]);
  }
  await untilAnswered(counts);
  const { user, system } = process.cpuUsage(before);
  for (const line of lines) line.end();
  return { phases: counts.map((count) => count.result()), cpuSeconds: (user + system) / 1_000_000 };
}

/** Sends at a constant rate until the end; what finds no free connection is not sent. */
async function offer(
  count: Count,
  endMs: number,
  perSecond: number,
  idle: Line[],
  start: (line: Line) => void,
): Promise<void> {
  let due = 0;
  for (let nowMs = count.beganMs; nowMs < endMs; nowMs = performance.now()) {
    const dueNow = Math.floor(((nowMs - count.beganMs) * perSecond) / 1_000);
    for (; due < dueNow; due += 1) {
      const line = idle.pop();
      if (line === undefined) count.notSent += 1;
      else start(line);
    }
    await delay(tickMs);
  }
}

async function untilAnswered(counts: readonly Count[]): Promise<void> {
  const untilMs = performance.now() + patienceMs;
  while (counts.some(({ underWay }) => underWay > 0) && performance.now() < untilMs) await delay(tickMs);
}

/** Written beforehand as far as can be. */
function requestsFor({ url, accounts, mixed }: SteadyOrder): () => { request: string; isLook: boolean } {
  const { host } = new URL(url);
  const pick = (): string => accountIdAt(Math.floor(Math.random() * accounts));
  const post = (path: string): string => {
    const body = JSON.stringify({ id: pick(), amount: '0.01' });
    const type = `content-type: application/json\r\ncontent-length: ${body.length}`;
    return `POST ${path} HTTP/1.1\r\nhost: ${host}\r\n${type}\r\n\r\n${body}`;
  };
  const look = (): string => `GET /api/status/${pick()} HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
  let turn = 0;
  return () => {
    turn += 1;
    const tenth = mixed ? turn % 10 : 0;
    if (tenth >= 8) return { request: look(), isLook: true };
    return { request: post(tenth >= 5 ? '/api/add' : '/api/substract'), isLook: false };
  };
}

const order = process.argv[2];
if (order === undefined) throw new Error('bench/overload.ts and bench/soak.ts start this');
process.stdout.write(JSON.stringify(await run(JSON.parse(order) as SteadyOrder)));
