import {
  anyText,
  host,
  integer,
  oneOf,
  oneOfWithFallback,
  optionalText,
  readableFile,
  secret,
  urlList,
} from './fields.ts';

/* Settings that more than one service has, each declared once. Spread them into a service's own schema. */

export const natsSettings = {
  NATS_URL: urlList({
    description:
      'Where NATS is: one server, or several of one cluster separated by commas; may carry user:password@.',
    default: 'nats://127.0.0.1:4222',
    schemes: ['nats', 'tls'],
  }),
  NATS_USER: optionalText({ description: 'The NATS user to log in as.', expected: 'a user name' }),
  NATS_PASSWORD: secret({ description: 'The password of NATS_USER.' }),
  NATS_CREDS: readableFile({
    description: 'A file of NATS credentials (a JWT and a key) to log in with, in place of NATS_USER.',
  }),
  NATS_TLS_CA: readableFile({
    description:
      'The certificates (PEM) that NATS’s own must lead to; without it, those that Node.js trusts.',
  }),
  NATS_TLS_CERT: readableFile({
    description: 'The certificate (PEM) to show to a NATS that asks for one.',
  }),
  NATS_TLS_KEY: readableFile({ description: 'The key (PEM) of NATS_TLS_CERT.' }),
};

/** Of those that make streams. */
export const streamSettings = {
  NATS_STREAM_REPLICAS: integer({
    description:
      'On how many servers of a NATS cluster each stream lies, when it is made; one that is there stays as it is.',
    default: '1',
    min: 1,
    // NATS knows no more.
    max: 5,
  }),
};

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export const logSettings = {
  LOG_LEVEL: oneOf({
    description: 'The least level of log lines to write.',
    default: 'info',
    words: logLevels,
  }),
};

/** The log level of one service alone. */
export function logLevelOf(service: string) {
  return oneOfWithFallback({
    description: `The least level of log lines that the ${service} writes.`,
    words: logLevels,
    fallback: 'LOG_LEVEL',
  });
}

export const environmentSettings = {
  NODE_ENV: anyText({
    description:
      'Set to production where real money is at stake: there is no test clock then, and npm start traces one request in a hundred and installs no fixtures.',
    default: 'development',
    expected: 'a word such as production, development or test',
    formerName: 'FLASK_ENV',
  }),
};

/** What `NODE_ENV` says, in whatever case it is written. */
export function isProduction(nodeEnv: string): boolean {
  return nodeEnv.toLowerCase() === 'production';
}

export const opsSettings = {
  OPS_HOST: host({
    description: 'The address of the services’ own ports for GET /metrics, /healthz and /readyz.',
    default: '127.0.0.1',
  }),
};
