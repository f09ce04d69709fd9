/**
 * Money as whole minor units (cents, for a currency of two decimals) in a bigint.
 *
 * On the wire an amount is a decimal string; a JavaScript number never holds one.
 */
export type Money = bigint & { readonly __brand: 'Money' };

export const zeroMoney = 0n as Money;

/**
 * No balance, hold or limit may pass this many minor units: far above any real balance, and far enough below
 * Postgres' bigint (9.2 × 10^18) that sums of two can't overflow.
 */
export const maxMinorUnits = 10n ** 17n;

/** The most decimals an account's currency can have. */
export const maxDecimals = 8;

/** At most this many digits before the point. */
export const maxIntegerDigits = 15;

const unsignedDecimal = `(?:0|[1-9][0-9]{0,${maxIntegerDigits - 1}})(?:\\.[0-9]{1,${maxDecimals}})?`;

/**
 * A decimal number without sign, exponent, blanks or leading zeros, with digits on both sides of the point.
 * Zero passes; use {@link positiveDecimalPattern} where it must not.
 */
export const decimalPattern = new RegExp(`^${unsignedDecimal}$`);

/** As {@link decimalPattern}, and more than zero. */
export const positiveDecimalPattern = new RegExp(`^(?=.*[1-9])${unsignedDecimal}$`);

/** Minor units as money. */
export function money(minorUnits: bigint): Money {
  return minorUnits as Money;
}

export function addMoney(left: Money, right: Money): Money {
  return (left + right) as Money;
}

export function subtractMoney(left: Money, right: Money): Money {
  return (left - right) as Money;
}

/**
 * The minor units of a decimal string that matches {@link decimalPattern}.
 *
 * @returns undefined when the string has more decimals than the currency: an amount is never rounded. `"1.50"`
 *   has two decimals, also for a currency that has only one.
 */
export function parseMoney(text: string, decimals: number): Money | undefined {
  const point = text.indexOf('.');
  if (point === -1) return BigInt(text + '0'.repeat(decimals)) as Money;
  const given = text.length - point - 1;
  if (given > decimals) return undefined;
  return BigInt(text.slice(0, point) + text.slice(point + 1) + '0'.repeat(decimals - given)) as Money;
}

/** The decimal string of an amount, with exactly the currency's decimals: `"33.48"`, `"-0.05"`, `"7"`. */
export function formatMoney(amount: Money, decimals: number): string {
  const minorUnits: bigint = amount;
  const negative = minorUnits < 0n;
  const digits = (negative ? -minorUnits : minorUnits).toString().padStart(decimals + 1, '0');
  const sign = negative ? '-' : '';
  if (decimals === 0) return sign + digits;
  const split = digits.length - decimals;
  return `${sign}${digits.slice(0, split)}.${digits.slice(split)}`;
}

/**
 * One spelling for all spellings of the same decimal number: `"1"`, `"1.0"` and `"1.00"` become `"1"`. What a
 * command's fingerprint is made of, so that it needs no knowledge of the account's currency.
 */
export function canonicalDecimal(text: string): string {
  const point = text.indexOf('.');
  if (point === -1) return text;
  let end = text.length;
  while (text.charCodeAt(end - 1) === 48) end -= 1;
  return text.slice(0, end - 1 === point ? point : end);
}
