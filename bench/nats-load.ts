import { createInbox, type Msg } from '@nats-io/nats-core';
import { randomUUID } from 'node:crypto';
import { inboxPrefixOf } from '../shared/contracts/nats-users.ts';
import { commandSubject } from '../shared/contracts/subjects.ts';
import { connectNats } from '../shared/messaging/connect.ts';
import { createLogger } from '../shared/telemetry/logger.ts';
import { accountIdAt } from './account-ids.ts';
import { LoadClock } from './load-clock.ts';
import type { NatsOrder } from './load-order.ts';

/*
 * The NATS load generator, a process of its own: reads a NatsOrder from its first argument, writes a LoadResult.
 * It sends subtracts as the contract says, one or an array of them in a message, some messages at a time.
 */

const order = JSON.parse(process.argv[2] ?? '') as NatsOrder;
const inboxPrefix = inboxPrefixOf('tools');
const subject = commandSubject('subtract');
/** Of so many replies one is read whole; in the others the outcomes are counted. */
const checkedEvery = 16;

interface Sent {
  readonly startMs: number;
  readonly firstId: string;
}

const link = await connectNats({
  ...order.nats,
  name: 'holdfast-bench',
  inboxPrefix,
  logger: createLogger('bench', 'warn'),
});
// One inbox for all replies, the message's number behind it: a subscription per request would cost more than it.
const inbox = createInbox(inboxPrefix);
const underWay = new Map<string, Sent>();
const clock = new LoadClock(order.seconds);
let sent = 0;
let answers = 0;

function send(): void {
  const ids = Array.from({ length: order.arrayOf }, () => randomUUID());
  const commands = ids.map((id) => {
    const accountId = accountIdAt(Math.floor(Math.random() * order.accounts));
    return `{"id":"${id}","accountId":"${accountId}","amount":"0.01"}`;
  });
  const reply = `${inbox}.${(sent += 1)}`;
  underWay.set(reply, { startMs: performance.now(), firstId: ids[0] ?? '' });
  const payload = order.arrayOf === 1 ? commands.join('') : `[${commands.join(',')}]`;
  link.connection.publish(subject, payload, { reply });
}

function receive(message: Msg): void {
  const request = underWay.get(message.subject);
  if (request === undefined) return;
  underWay.delete(message.subject);
  const text = message.string();
  answers += 1;
  const well = text.split('"ok":true').length - 1;
  if (answers % checkedEvery === 1 && !isFor(request, text)) clock.failed(text, order.arrayOf);
  else clock.answered('substract', request.startMs, well);
  if (well < order.arrayOf) clock.failed(text, order.arrayOf - well);
  if (!clock.isOver()) send();
  else if (underWay.size === 0) void finish();
}

function isFor({ firstId }: Sent, text: string): boolean {
  const outcomes = [JSON.parse(text)].flat() as { commandId?: string }[];
  return outcomes.length === order.arrayOf && outcomes[0]?.commandId === firstId;
}

async function finish(): Promise<void> {
  const result = clock.result();
  await link.drain();
  process.stdout.write(JSON.stringify(result));
}

link.connection.subscribe(`${inbox}.*`, { callback: (_, message) => receive(message) });
for (let count = 0; count < order.messages; count += 1) send();
