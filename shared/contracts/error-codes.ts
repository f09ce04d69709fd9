/**
 * Every error there is, with its HTTP status. Over HTTP it is the `code` of an `application/problem+json` answer,
 * over NATS the `code` of an outcome. `docs/api.md` lists them; a test keeps the two together.
 */
export const errorCatalogue = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  unauthorized: { status: 401, title: 'Who is asking is not known' },
  forbidden: { status: 403, title: 'The caller may not do this' },
  not_found: { status: 404, title: 'There is no such route' },
  account_not_found: { status: 404, title: 'There is no such account' },
  hold_not_found: { status: 404, title: 'There is no such hold' },
  method_not_allowed: { status: 405, title: 'The route has no such method' },
  request_timeout: { status: 408, title: 'The request did not arrive in time; nothing was changed' },
  account_exists: { status: 409, title: 'The account is already there' },
  insufficient_funds: { status: 409, title: 'The available balance is too small' },
  account_closed: { status: 409, title: 'The account is closed' },
  amount_too_large: { status: 409, title: 'The amount or the balance would be too large' },
  hold_not_pending: { status: 409, title: 'The hold is no longer pending' },
  currency_mismatch: { status: 409, title: 'The accounts are not of one currency' },
  version_conflict: { status: 409, title: 'The account has another version' },
  payload_too_large: { status: 413, title: 'The request is too large' },
  unsupported_media_type: { status: 415, title: 'The request is not JSON' },
  idempotency_conflict: { status: 422, title: 'The same key came with another request' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something went wrong here' },
  overloaded: { status: 503, title: 'Too much to do just now; nothing was changed' },
  unavailable: { status: 503, title: 'Not available just now; nothing was changed' },
  outcome_unknown: { status: 504, title: 'Whether it happened is not known; ask again with the same key' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof errorCatalogue;

export const errorCodes = Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]];
