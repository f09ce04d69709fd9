import { headers, type MsgHdrs } from '@nats-io/nats-core';

/** W3C's name, as in HTTP. Commands have it in their payload instead, where each of an array has its own. */
const traceparentHeader = 'traceparent';

/** What a message that is sent in a sampled span is published with; nothing without one. */
export function traceHeaders(traceparent: string | undefined): { headers?: MsgHdrs } {
  if (traceparent === undefined) return {};
  const made = headers();
  made.set(traceparentHeader, traceparent);
  return { headers: made };
}

/** The traceparent with which a message was sent; undefined when it has none. */
export function sentTraceparent(message: { readonly headers?: MsgHdrs | undefined }): string | undefined {
  return message.headers?.get(traceparentHeader) || undefined;
}
