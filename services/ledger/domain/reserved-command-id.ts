import type { CommandId } from '../../../shared/contracts/primitives.ts';

/**
 * The id of a command of the ledger's own, as the uuid with the variant that RFC 9562 reserves for the future: no caller's
 * command can have it, so nobody else is there first.
 *
 * @param digit whose lowest bit is kept in the variant.
 */
export function reservedCommandId(uuid: string, digit: number): CommandId {
  // Its 17th digit is one of these.
  return `${uuid.slice(0, 19)}${digit % 2 === 0 ? 'e' : 'f'}${uuid.slice(20)}` as CommandId;
}
