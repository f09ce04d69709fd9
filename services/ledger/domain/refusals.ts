import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import type { FieldError, HoldView } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId } from '../../../shared/contracts/primitives.ts';
import type { Micros } from './time.ts';

/**
 * The refusals that depend on state, in the order in which they are checked. A command that would be refused for
 * several reasons is refused for the first. (What depends on the payload alone was refused at the door.)
 */
export const refusalPrecedence = [
  'idempotency_conflict',
  'account_exists',
  'account_not_found',
  'account_closed',
  'version_conflict',
  'hold_not_found',
  'hold_not_pending',
  'currency_mismatch',
  'invalid_request',
  'amount_too_large',
  'insufficient_funds',
] as const satisfies readonly ErrorCode[];

export type RefusalCode = (typeof refusalPrecedence)[number];

/** Why a command was not applied. Plain data: it is kept, and answered again when the command is repeated. */
export type Refusal = { readonly detail: string } & (
  | { readonly code: 'invalid_request'; readonly fields: FieldError[] }
  /** Decimal strings. */
  | { readonly code: 'insufficient_funds'; readonly available: string; readonly requested: string }
  | { readonly code: 'hold_not_pending'; readonly hold: HoldView }
  /** With the hold when it is too small for the amount. */
  | { readonly code: 'amount_too_large'; readonly hold?: HoldView }
  | {
      readonly code: Exclude<
        RefusalCode,
        'invalid_request' | 'insufficient_funds' | 'hold_not_pending' | 'amount_too_large'
      >;
    }
);

/** What is said of a command that was past its deadline when its turn came. It is no refusal: nothing is kept of it. */
export const expiredError = {
  code: 'unavailable',
  detail: 'The deadline had passed when its turn came.',
} as const satisfies { code: ErrorCode; detail: string };

/** A refusal as it is kept under its command's id. */
export interface KeptRefusal {
  readonly accountId: AccountId;
  readonly commandId: CommandId;
  readonly fingerprint: Buffer;
  readonly refusal: Refusal;
  readonly at: Micros;
}
