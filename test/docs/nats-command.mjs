/*
 * Stands in for the `nats` command (github.com/nats-io/natscli), which is no npm package: as much of it as the pages use,
 * against a real broker.
 *
 *   nats [--server URL] [--inbox-prefix PREFIX] request --raw SUBJECT BODY
 *   nats [--server URL] [--inbox-prefix PREFIX] publish --jetstream SUBJECT BODY
 *
 * As that one does, it takes NATS_URL, NATS_USER and NATS_PASSWORD from the environment.
 */
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: 'string', default: process.env.NATS_URL },
    'inbox-prefix': { type: 'string', default: '_INBOX' },
    raw: { type: 'boolean' },
    jetstream: { type: 'boolean' },
  },
});
const [verb, subject, body] = positionals;
const nats = await connect({
  servers: values.server,
  user: process.env.NATS_USER,
  pass: process.env.NATS_PASSWORD,
  inboxPrefix: values['inbox-prefix'],
});
if (verb === 'request' && values.raw === true) {
  const reply = await nats.request(subject, body, { timeout: 5_000 });
  process.stdout.write(`${reply.string()}\n`);
} else if (verb === 'publish' && values.jetstream === true) {
  const { stream, seq } = await jetstream(nats).publish(subject, body);
  process.stderr.write(`Stored in Stream: ${stream} Sequence: ${seq}\n`);
} else {
  throw new Error(`this stand-in has no nats ${process.argv.slice(2).join(' ')}`);
}
await nats.drain();
