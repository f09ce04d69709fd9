import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestAsyncHookHandler,
  onRequestHookHandler,
} from 'fastify';
import type { ErrorView } from '../../../shared/contracts/outcomes.ts';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { RequestRefused, sendProblem } from '../plugins/problem-json.ts';
import type { Caller, Scope } from './caller.ts';
import { RateLimitStore } from './rate-limit-store.ts';
import type { RateLimit } from './settings.ts';
import { KeysUnavailable } from './trusted-keys.ts';
import { TokenRefused, type TokenVerifier } from './verify-token.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, where callers must show a token. */
    caller: Caller | undefined;
    /** Why there is no caller, until the rate limit has counted the attempt. */
    unauthenticated: Unauthenticated | undefined;
  }
}

type Hook = onRequestHookHandler | onRequestAsyncHookHandler;

/** What a request must pass before it reaches its route: authentication, the rate limit and authorization. */
export interface AccessGuard {
  /** Whether callers must show a token. */
  readonly requiresTokens: boolean;
  /** The `onRequest` hooks of a route that needs this scope; none where everyone may come in at any time. */
  readonly hooksFor: (scope: Scope) => Hook[];
}

const realm = 'Bearer realm="holdfast"';

const keysUnavailable: ErrorView = {
  code: 'unavailable',
  detail: 'The keys that tokens are checked with can’t be had just now.',
};

interface Unauthenticated {
  readonly challenge: string;
  readonly detail: string;
}

/** Prepares what guards the routes: without `tokens` everyone may come in, without `limit` as often as they like. */
export async function addAccessGuard(
  app: FastifyInstance,
  options: { tokens: TokenVerifier | undefined; limit: RateLimit | undefined },
): Promise<AccessGuard> {
  const { tokens, limit } = options;
  app.decorateRequest('caller', undefined);
  app.decorateRequest('unauthenticated', undefined);
  const hooks: Hook[] = [];
  if (tokens !== undefined) hooks.push(authenticate(tokens));
  if (limit !== undefined) hooks.push(await limitRate(app, limit));
  return {
    requiresTokens: tokens !== undefined,
    hooksFor: (scope) => (tokens === undefined ? hooks : [...hooks, authorize(scope)]),
  };
}

/** Finds out who asks; whether that will do is for `authorize` to say. */
function authenticate(tokens: TokenVerifier): onRequestAsyncHookHandler {
  return async (request) => {
    const shown = tokenOf(request);
    if (typeof shown !== 'string') {
      request.unauthenticated = shown;
      return;
    }
    try {
      request.caller = tokens.known(shown) ?? (await tokens.verify(shown));
    } catch (error) {
      if (error instanceof TokenRefused)
        request.unauthenticated = unauthenticated('invalid_token', error.message);
      else if (error instanceof KeysUnavailable) throw new RequestRefused(keysUnavailable);
      else throw error;
    }
  };
}

/** The token of the `Authorization` header; or why there is none. */
function tokenOf(request: FastifyRequest): string | Unauthenticated {
  // Before the header: a URL is written into logs and histories on its way, so this token is known to others.
  if (Object.hasOwn(request.query as object, 'access_token')) {
    return unauthenticated(
      'invalid_request',
      'a token in the URL is not taken: send it in the Authorization header',
    );
  }
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (token !== undefined) return token;
  // RFC 6750 §3.1: who has shown nothing is told no error.
  return { challenge: realm, detail: 'Send a token: Authorization: Bearer …' };
}

function unauthenticated(error: 'invalid_token' | 'invalid_request', reason: string): Unauthenticated {
  return { challenge: challengeOf(error, reason), detail: sentence(reason) };
}

function sentence(reason: string): string {
  return `${reason[0]?.toUpperCase()}${reason.slice(1)}.`;
}

function challengeOf(error: string, reason: string): string {
  return `${realm}, error="${error}", error_description="${reason}"`;
}

/** Lets in who has shown a good token with this scope. */
function authorize(scope: Scope): onRequestHookHandler {
  return (request, reply, done) => {
    const { caller, unauthenticated: failure } = request;
    if (caller === undefined) {
      const { challenge = realm, detail = '' } = failure ?? {};
      reply.header('www-authenticate', challenge);
      sendProblem(reply, { code: 'unauthorized', detail }, undefined);
    } else if (caller.scopes.has(scope)) {
      done();
    } else {
      const reason = `this needs a token with the scope ${scope}`;
      reply.header('www-authenticate', `${challengeOf('insufficient_scope', reason)}, scope="${scope}"`);
      sendProblem(reply, { code: 'forbidden', detail: sentence(reason) }, undefined);
    }
  };
}

/** Whether the caller's token is narrowed to other accounts than this one; then it has been answered. */
export function refusesAccount(request: FastifyRequest, reply: FastifyReply, accountId: AccountId): boolean {
  const { caller, command } = request;
  if (caller?.accounts === undefined || caller.accounts.includes(accountId)) return false;
  const reason = 'the token is not for this account';
  reply.header('www-authenticate', challengeOf('insufficient_scope', reason));
  sendProblem(reply, { code: 'forbidden', detail: sentence(reason) }, command);
  return true;
}

/** Counts a caller by its subject, and whoever has shown no good token by address (an IPv6 network of /64 is one). */
async function limitRate(
  app: FastifyInstance,
  { max, windowMs }: RateLimit,
): Promise<onRequestAsyncHookHandler> {
  await app.register(rateLimit, {
    global: false,
    max,
    timeWindow: windowMs,
    store: RateLimitStore,
    enableDraftSpec: true,
    keyGenerator: ({ caller, ip }) => (caller === undefined ? normalizeIP(ip) : `token ${caller.subject}`),
    errorResponseBuilder: () =>
      new RequestRefused({
        code: 'rate_limited',
        detail: `More than ${max} requests in ${windowMs / 1_000} s from this caller.`,
      }),
  });
  return app.rateLimit();
}
