import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { commandsStream, eventsStream, holdsStream } from '../../shared/contracts/subjects.ts';
import { lasting } from '../chaos/faults/lasting.ts';
import { eventually } from '../support/eventually.ts';
import { ofEach, type ClusterStack } from './cluster-stack.ts';

const streams = [holdsStream, eventsStream, commandsStream];
/** A broker that was killed comes back after so long. */
const brokerDownMs = 10_000;
/** Until somebody who watches is sure that the primary is dead. */
const decideMs = 2_000;
const limitMs = 60_000;

/** Waits until every stream is on all brokers, has a leader, and no broker lags behind. */
export async function untilReplicated(connection: NatsConnection): Promise<void> {
  await eventually(async () => {
    const all = await Promise.all(streams.map((name) => isReplicated(connection, name)));
    return all.every(Boolean) ? true : undefined;
  }, limitMs);
}

async function isReplicated(connection: NatsConnection, name: string): Promise<boolean> {
  const info = await infoOf(connection, name).catch(() => undefined);
  const followers = info?.cluster?.replicas ?? [];
  return (
    info?.cluster?.leader !== undefined &&
    info.config.num_replicas === ofEach &&
    followers.length === ofEach - 1 &&
    followers.every(({ current, offline }) => current && !(offline ?? false))
  );
}

async function infoOf(connection: NatsConnection, name: string) {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  return manager.streams.info(name);
}

/** kill -9 of the broker that leads a stream; it comes back later. Resolves, with what was done, when all are in step. */
export async function killLeader(
  stack: ClusterStack,
  connection: NatsConnection,
  stream: string,
): Promise<string> {
  const leader = (await infoOf(connection, stream)).cluster?.leader ?? '';
  const node = stack.nats.node(leader);
  await node.kill();
  await lasting(brokerDownMs);
  await node.start();
  await untilReplicated(connection);
  return `kill -9 of ${leader}, leader of ${stream}; back after ${brokerDownMs / 1_000} s`;
}

/** kill -9 of the primary; some time later the standby takes over. Resolves with what was done. */
export async function killPrimary(stack: ClusterStack): Promise<string> {
  const { postgres } = stack;
  if (!(await postgres.isSynchronous())) throw new Error('the primary does not wait for its standby');
  await postgres.killPrimary();
  await lasting(decideMs);
  const promotedFromMs = performance.now();
  await stack.failOver();
  const tookMs = (performance.now() - promotedFromMs).toFixed(0);
  return `kill -9 of the primary; ${decideMs / 1_000} s later its standby is promoted, in ${tookMs} ms`;
}
