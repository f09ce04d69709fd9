import {
  accountCommandKinds,
  asyncCommandsConsumer,
  asyncCommandSubject,
  commandsStream,
  commandSubject,
  commandSubjectPrefix,
  eventsStream,
  eventSubject,
  holdDueSubject,
  holdsStream,
  ledgerQueueGroup,
  queryKinds,
  querySubject,
  querySubjectPrefix,
  settlerConsumer,
} from './subjects.ts';

/** The NATS users of an installation: the services, the operators' tools, and two examples for services of one's own. */
export const natsUserNames = ['gateway', 'ledger', 'settler', 'tools', 'shop-add', 'reports'] as const;
export type NatsUserName = (typeof natsUserNames)[number];

/** All but what the settler alone does. A ledger without a test clock refuses to move it. */
const callersCommandKinds = [...accountCommandKinds, 'advance-clock'] as const;

/** What one user may do; all else the server refuses. */
export interface NatsPermissions {
  /** What it is for, in a few words. */
  readonly purpose: string;
  readonly publish: readonly string[];
  /** Subjects; one followed by a queue group may be subscribed to in that group alone. */
  readonly subscribe: readonly string[];
  /** Whether it may publish one answer to the reply subject of each message that it gets. */
  readonly answers: boolean;
}

/** Replies come to subjects below this, where no other user may listen. */
export function inboxPrefixOf(user: NatsUserName): string {
  return `_INBOX_${user}`;
}

/** The variable that has the user's password in the deployed stack. */
export function natsPasswordVariable(user: NatsUserName): string {
  return `NATS_${user.toUpperCase().replaceAll('-', '_')}_PASSWORD`;
}

/**
 * Who may publish and subscribe to what. The configurations of `npm start` and of the deployed stack are made from this.
 * No list may be empty: nats-server takes that for "everything".
 */
export const natsPermissions: Readonly<Record<NatsUserName, NatsPermissions>> = {
  gateway: {
    purpose: 'the gateway: sends what its callers may ask for, reads facts',
    publish: [
      ...callersCommandKinds.map(commandSubject),
      ...queryKinds.map(querySubject),
      ...readingAll(eventsStream),
    ],
    subscribe: [inboxOf('gateway')],
    answers: false,
  },
  ledger: {
    purpose: 'the ledger: serves commands and queries, keeps the streams',
    publish: [
      eventSubject,
      holdDueSubject,
      ...[holdsStream, eventsStream, commandsStream].flatMap(makingStream),
      ...consuming(commandsStream, asyncCommandsConsumer),
    ],
    subscribe: [
      `${commandSubjectPrefix}* ${ledgerQueueGroup}`,
      `${querySubjectPrefix}* ${ledgerQueueGroup}`,
      inboxOf('ledger'),
    ],
    answers: true,
  },
  settler: {
    purpose: 'the settler: takes due messages, has holds settled',
    publish: [
      commandSubject('settle-due'),
      querySubject('ping'),
      ...makingStream(holdsStream),
      ...consuming(holdsStream, settlerConsumer),
    ],
    subscribe: [inboxOf('settler')],
    answers: false,
  },
  tools: {
    purpose: 'operators’ tools, such as fixtures and the import: all that callers may, waiting or not',
    publish: [
      ...callersCommandKinds.map(commandSubject),
      ...queryKinds.map(querySubject),
      ...accountCommandKinds.map(asyncCommandSubject),
    ],
    subscribe: [inboxOf('tools')],
    answers: false,
  },
  'shop-add': {
    purpose: 'an example: a shop that may pay in, and nothing else',
    publish: [commandSubject('add')],
    subscribe: [inboxOf('shop-add')],
    answers: false,
  },
  reports: {
    purpose: 'an example: a service that reads facts, with a durable consumer of its name',
    publish: [
      // What client libraries ask before they use JetStream.
      '$JS.API.INFO',
      ...consuming(eventsStream, 'reports'),
    ],
    subscribe: [eventSubject, inboxOf('reports')],
    answers: false,
  },
};

function inboxOf(user: NatsUserName): string {
  return `${inboxPrefixOf(user)}.>`;
}

/** Looking whether a stream is there, and making it; not changing, emptying or deleting it. */
function makingStream(stream: string): string[] {
  return [`$JS.API.STREAM.INFO.${stream}`, `$JS.API.STREAM.CREATE.${stream}`];
}

/**
 * Reading what a stream has, message by message, and what comes, by consumers that the broker names and deletes. To pull, or to
 * delete, by names that are not known beforehand would be to read from the durable consumers of others, and to delete them.
 */
function readingAll(stream: string): string[] {
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}`,
    // How a consumer is told that its messages have come.
    `$JS.FC.${stream}.>`,
  ];
}

/** Making one durable consumer, taking its messages, and acknowledging them. */
function consuming(stream: string, consumer: string): string[] {
  return [
    `$JS.API.CONSUMER.CREATE.${stream}.${consumer}`,
    `$JS.API.CONSUMER.INFO.${stream}.${consumer}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
    `$JS.ACK.${stream}.${consumer}.>`,
  ];
}
