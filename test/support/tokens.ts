import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A good key, and one that is as good but not the gateway's. */
export const testSecret = 'a key for tests of thirty-two bytes or more';
export const otherSecret = 'another key for tests, long enough as well';

const inS = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds;

/** What claims may be in a test; undefined takes one away. */
type Claims = Readonly<Record<string, unknown>>;

/** Claims of a good token; what `claims` says wins, and undefined takes a claim away. */
export function claimsWith(claims: Claims = {}): JWTPayload {
  const all = { sub: 'tester', scope: 'balance:write', exp: inS(600), ...claims };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** A token that is signed with `secret` (HS256). */
export function tokenWith(claims?: Claims, secret: string | Uint8Array = testSecret): Promise<string> {
  const key = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret;
  return new SignJWT(claimsWith(claims)).setProtectedHeader({ alg: 'HS256' }).sign(key);
}

/** A token made by hand, with any header and signature. */
export function rawToken(header: object, claims: object, signature = ''): string {
  return `${partOf(header)}.${partOf(claims)}.${signature}`;
}

function partOf(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Expired and not yet valid by more than clocks may differ. */
export const expiredClaims: Claims = { exp: inS(-60) };
export const notYetValid: Claims = { nbf: inS(300) };

/** A key pair of an issuer, and its public half as key sets have it. */
export interface IssuerKey {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
  readonly alg: string;
}

export async function issuerKey(kid: string, alg = 'ES256'): Promise<IssuerKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }, alg };
}

export function issuerToken({ privateKey, jwk, alg }: IssuerKey, claims?: Claims): Promise<string> {
  return new SignJWT(claimsWith(claims))
    .setProtectedHeader({ alg, ...(jwk.kid !== undefined && { kid: jwk.kid }) })
    .sign(privateKey);
}

/** A key set on an address of this machine. */
export class KeyServer {
  keys: readonly JWK[] = [];
  /** What it answers; undefined is never. */
  status: number | undefined = 200;
  asked = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (_request, response) => {
      this.asked += 1;
      if (this.status === undefined) return;
      response.writeHead(this.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys: this.keys }));
    });
  }

  static async start(...keys: readonly IssuerKey[]): Promise<KeyServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const made = new KeyServer(server);
    made.serve(...keys);
    return made;
  }

  serve(...keys: readonly IssuerKey[]): void {
    this.keys = keys.map(({ jwk }) => jwk);
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys`);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
