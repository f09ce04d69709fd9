import { isIP } from 'node:net';
import { z } from 'zod';
import { field, oneOf, optionalField, optionalText } from '../../../shared/config/fields.ts';
import { parseSettings, SettingsError, type Environment } from '../../../shared/config/parse-settings.ts';

/** As many bytes as HS256's hash has (RFC 7518 §3.2): a shorter key is easier to guess than the signature. */
const minKeyBytes = 32;

const makeAKey = 'openssl rand -base64 33';

/**
 * What one caller may ask for per second where others than this machine can reach the gateway: far above any honest use,
 * and far below what a gateway can do, so that no single caller takes all of it.
 */
const exposedLimit = { max: 1_000, windowMs: 1_000 };

const windowsMs = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Names of address ranges that Fastify knows. */
const proxyRanges: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal']);

/** So many requests in so many milliseconds. */
export interface RateLimit {
  readonly max: number;
  readonly windowMs: number;
}

/** Who may use the API, and how often. Spread into the gateway's settings. */
export const accessSettings = {
  AUTH: oneOf({
    description:
      'Whether callers must show a token (jwt) or not (none); auto asks for one unless HOST is a loopback address and AUTH_JWKS_URL is not set.',
    default: 'auto',
    words: ['auto', 'jwt', 'none'],
  }),
  APP_SECRET_KEY: optionalField(
    {
      description: 'The key that callers’ tokens are signed with (HS256), unless AUTH_JWKS_URL is set.',
      expected: `a text of at least ${minKeyBytes} bytes; make one with: ${makeAKey}`,
      secret: true,
    },
    (text) => (Buffer.byteLength(text) >= minKeyBytes ? text : undefined),
  ),
  AUTH_JWKS_URL: optionalField(
    {
      description:
        'Where the public keys of whoever issues tokens are (a JSON Web Key Set; RS, PS, ES or EdDSA); tokens of APP_SECRET_KEY are refused then.',
      expected: 'a URL such as https://login.example/.well-known/jwks.json',
    },
    (text) => {
      const url = URL.canParse(text) ? new URL(text) : undefined;
      if (url === undefined || !['https:', 'http:'].includes(url.protocol)) return undefined;
      // fetch takes no user and password there.
      return url.username === '' && url.password === '' ? url : undefined;
    },
  ),
  AUTH_ISSUER: optionalText({
    description: 'Tokens must be from this issuer (`iss`).',
    expected: 'a text, most often a URL',
  }),
  AUTH_AUDIENCE: optionalText({
    description: 'Tokens must be for this audience (`aud`).',
    expected: 'a text, most often a URL',
  }),
  RATE_LIMIT: field(
    {
      description:
        'How many requests one caller may make, by each gateway: by its token’s subject, or without a token by its address; auto is 1000/s, and off where HOST is a loopback address.',
      expected: 'auto, off, or a number per second, minute or hour such as 100/s, 6000/m or 100000/h',
      default: 'auto',
    },
    readRateLimit,
  ),
  TRUST_PROXY: optionalField(
    {
      description:
        'The proxies whose X-Forwarded-For says which address a request came from; with none it is believed from nobody.',
      expected:
        'addresses, networks such as 10.0.0.0/8, or loopback, linklocal or uniquelocal, separated by commas',
    },
    readProxies,
  ),
};

type Given = { HOST: string } & z.output<z.ZodObject<typeof accessSettings>>;

/** What a token must be to be believed. */
export interface TokenSettings {
  readonly keys:
    { readonly kind: 'secret'; readonly secret: string } | { readonly kind: 'jwks'; readonly url: URL };
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
}

/** Who may use the API, as the settings say together. */
export interface AccessSettings {
  /** Undefined: whoever reaches the gateway may use it. */
  readonly tokens: TokenSettings | undefined;
  /** Undefined: as often as they like. */
  readonly rateLimit: RateLimit | undefined;
  /** Undefined: there is none. */
  readonly trustProxy: string[] | undefined;
  /** For people: who may use the API. */
  readonly summary: string;
  /** For people: what is allowed, and most likely not meant. */
  readonly warnings: readonly string[];
}

/** What the settings mean together. Throws a `SettingsError` when tokens are asked for and there is no key for them. */
export function readAccess(given: Given): AccessSettings {
  const isLocal = isLoopback(given.HOST);
  const wantsTokens =
    given.AUTH === 'jwt' || (given.AUTH === 'auto' && (!isLocal || given.AUTH_JWKS_URL !== undefined));
  const tokens = wantsTokens ? readTokenSettings(given) : undefined;
  return {
    tokens,
    rateLimit: given.RATE_LIMIT === 'auto' ? (isLocal ? undefined : exposedLimit) : given.RATE_LIMIT.limit,
    trustProxy: given.TRUST_PROXY,
    summary: describeAccess(given, tokens, isLocal),
    warnings: tokens === undefined ? warningsWithoutTokens(given) : warningsAbout(tokens),
  };
}

function readTokenSettings(given: Given): TokenSettings {
  const { APP_SECRET_KEY: secret, AUTH_JWKS_URL: url } = given;
  const requirements = { issuer: given.AUTH_ISSUER, audience: given.AUTH_AUDIENCE };
  if (url !== undefined) return { keys: { kind: 'jwks', url }, ...requirements };
  if (secret !== undefined) return { keys: { kind: 'secret', secret }, ...requirements };
  const why = given.AUTH === 'jwt' ? 'AUTH is jwt' : `others than this machine may reach HOST=${given.HOST}`;
  throw new SettingsError([
    `${why}, so callers must show a token, but there is no key for them: set APP_SECRET_KEY to what ` +
      `"${makeAKey}" prints, or AUTH_JWKS_URL to where your issuer's keys are; AUTH=none lets everyone in`,
  ]);
}

/** What `npm run token` signs with. Throws a `SettingsError` when there is no key, or tokens are another issuer's. */
export function readSigningSettings(env: Environment) {
  const given = parseSettings(z.object(accessSettings), env);
  if (given.AUTH_JWKS_URL !== undefined) {
    throw new SettingsError([
      'AUTH_JWKS_URL is set, so the gateway takes the tokens of that issuer alone: get one there',
    ]);
  }
  if (given.APP_SECRET_KEY === undefined) {
    throw new SettingsError([
      `APP_SECRET_KEY is not set. It is the key that the gateway runs with; make one with: ${makeAKey}. ` +
        'A gateway on a loopback address asks for no token unless AUTH is jwt',
    ]);
  }
  return { secret: given.APP_SECRET_KEY, issuer: given.AUTH_ISSUER, audience: given.AUTH_AUDIENCE };
}

function describeAccess(given: Given, tokens: TokenSettings | undefined, isLocal: boolean): string {
  const settings = `(AUTH=${given.AUTH}, HOST=${given.HOST})`;
  if (tokens === undefined) {
    return isLocal
      ? `everyone on this machine may use the API, without a token ${settings}`
      : `EVERYONE who reaches it may use the API, without a token ${settings}`;
  }
  const { keys } = tokens;
  const kind = keys.kind === 'secret' ? 'signed with APP_SECRET_KEY' : `of the issuer at ${keys.url.origin}`;
  return `whoever uses the API must show a token ${kind} ${settings}`;
}

/** `AUTH=none` is meant; with auto, a setting that makes no sense without tokens tells that something else may be. */
function warningsWithoutTokens(given: Given): string[] {
  if (given.AUTH === 'none') return [];
  const noToken = `no token is asked for, since HOST=${given.HOST} is a loopback address; AUTH=jwt asks for one`;
  return [
    ...(given.APP_SECRET_KEY === undefined ? [] : [`APP_SECRET_KEY is set, but ${noToken}`]),
    ...(given.TRUST_PROXY === undefined
      ? []
      : [`TRUST_PROXY is set, so others than this machine may come through a proxy, and ${noToken}`]),
  ];
}

function warningsAbout({ keys, audience }: TokenSettings): string[] {
  if (keys.kind === 'secret') return [];
  const { protocol, hostname } = keys.url;
  const isOpen = protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, ''));
  return [
    ...(isOpen
      ? ['AUTH_JWKS_URL is not https: whoever can change what comes from there can make tokens']
      : []),
    ...(audience === undefined
      ? ['AUTH_AUDIENCE is not set: a token that the issuer made for another service is taken as well']
      : []),
  ];
}

/** Whether only processes of this machine reach something that listens there. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}

function readRateLimit(text: string): 'auto' | { limit: RateLimit | undefined } | undefined {
  const word = text.toLowerCase();
  if (word === 'auto') return 'auto';
  if (word === 'off') return { limit: undefined };
  const [, count = '', unit = ''] = /^([1-9]\d{0,8})\/([smh])$/.exec(word) ?? [];
  if (count === '') return undefined;
  return { limit: { max: Number(count), windowMs: windowsMs[unit as keyof typeof windowsMs] } };
}

function readProxies(text: string): string[] | undefined {
  const proxies = text.split(',').map((proxy) => proxy.trim());
  return proxies.every((proxy) => proxyRanges.has(proxy) || isNetwork(proxy)) ? proxies : undefined;
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128));
}
