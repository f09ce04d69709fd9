import { nkeys } from '@nats-io/nats-core';
import { randomUUID } from 'node:crypto';

/** What a nats-server that knows its users by JWTs is configured with, and the credentials of one of its users. */
export interface NatsOperator {
  readonly config: string;
  readonly credentials: string;
  /** Of a user whom another account has issued. */
  readonly strangersCredentials: string;
}

type Keys = ReturnType<typeof nkeys.createUser>;

/** As `nsc` makes them. https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt */
export function makeOperator(): NatsOperator {
  const [operator, account, stranger] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
  ];
  const operatorJwt = jwt(operator, operator, { type: 'operator' });
  const limits = {
    subs: -1,
    data: -1,
    payload: -1,
    imports: -1,
    exports: -1,
    conn: -1,
    leaf: -1,
    wildcards: true,
  };
  const accountJwt = jwt(operator, account, { type: 'account', limits });
  return {
    config: `operator: ${operatorJwt}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }
`,
    credentials: credentialsBy(account),
    strangersCredentials: credentialsBy(stranger),
  };
}

function credentialsBy(account: Keys): string {
  const user = nkeys.createUser();
  const userJwt = jwt(account, user, { type: 'user', subs: -1, data: -1, payload: -1, pub: {}, sub: {} });
  const seed = Buffer.from(user.getSeed()).toString();
  return `-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;
}

function jwt(issuer: Keys, subject: Keys, nats: Readonly<Record<string, unknown>>): string {
  const head = encode({ typ: 'JWT', alg: 'ed25519-nkey' });
  const body = encode({
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    name: String(nats['type']),
    sub: subject.getPublicKey(),
    nats: { ...nats, version: 2 },
  });
  const signature = Buffer.from(issuer.sign(Buffer.from(`${head}.${body}`))).toString('base64url');
  return `${head}.${body}.${signature}`;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
