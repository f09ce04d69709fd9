/* The words of our spans and metrics. OpenTelemetry's semantic conventions wherever they have one, else `holdfast.`. */

/** Span names. Those about a message are an operation and a subject, so that they group well. */
export const spanNames = {
  httpServer: (method: string, route: string) => `${method} ${route}`,
  send: (subject: string) => `send ${subject}`,
  process: (subject: string) => `process ${subject}`,
  /** One transaction for all commands that were gathered. */
  batch: 'batch',
  settleHold: 'settle hold',
  releaseHold: 'release hold',
  /** A database operation and what it is about, such as `SELECT accounts` or `COMMIT`. */
  database: (summary: string) => summary,
} as const;

/** Attribute names, of spans and of metrics. */
export const attributeNames = {
  // https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
  messagingSystem: 'messaging.system',
  messagingDestinationName: 'messaging.destination.name',
  messagingOperationName: 'messaging.operation.name',
  messagingOperationType: 'messaging.operation.type',
  messagingMessageId: 'messaging.message.id',
  messagingConsumerGroupName: 'messaging.consumer.group.name',
  messagingBatchMessageCount: 'messaging.batch.message_count',
  // https://opentelemetry.io/docs/specs/semconv/database/database-spans/
  dbSystemName: 'db.system.name',
  dbOperationName: 'db.operation.name',
  dbQuerySummary: 'db.query.summary',
  dbPoolName: 'db.client.connection.pool.name',
  dbConnectionState: 'db.client.connection.state',
  // https://opentelemetry.io/docs/specs/semconv/http/http-spans/
  httpRequestMethod: 'http.request.method',
  httpRoute: 'http.route',
  httpResponseStatusCode: 'http.response.status_code',
  urlPath: 'url.path',
  urlScheme: 'url.scheme',
  errorType: 'error.type',
  // Ours.
  commandId: 'holdfast.command.id',
  commandKind: 'holdfast.command.kind',
  holdId: 'holdfast.hold.id',
  batchSize: 'holdfast.batch.size',
  /** `applied`, `replayed`, or the code of the refusal or fault; of a due hold `left` to the next turn, or `ended` meanwhile. */
  outcome: 'holdfast.outcome',
  refusalCode: 'holdfast.refusal.code',
  /** `nats` or `postgresql`. */
  peer: 'holdfast.peer',
} as const;

/** Attribute values that the conventions fix. */
export const messagingSystem = 'nats';
export const dbSystem = 'postgresql';

/** The attributes of a span about one message or request on `subject`. */
export function messagingAttributes(subject: string, operation: 'send' | 'process') {
  return {
    [attributeNames.messagingSystem]: messagingSystem,
    [attributeNames.messagingDestinationName]: subject,
    [attributeNames.messagingOperationName]: operation,
    [attributeNames.messagingOperationType]: operation,
  };
}

/** The attributes of a span about one database operation, such as `SELECT` with the summary `SELECT accounts`. */
export function databaseAttributes(operation: string, summary: string) {
  return {
    [attributeNames.dbSystemName]: dbSystem,
    [attributeNames.dbOperationName]: operation,
    [attributeNames.dbQuerySummary]: summary,
  };
}
