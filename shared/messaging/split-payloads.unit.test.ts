import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { fits, splitPayloads } from './split-payloads.ts';

const bounds = { maxElements: 5, maxBytes: 60 };

const element = (of: number) => ({ of, json: String(of) });

describe('payloads', () => {
  test('carry every element once, in order, within the bounds, and none more than needed', () => {
    const value = fc.string({ unit: 'binary', maxLength: 30 }).map((text) => ({ text }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 40 }), (values) => {
        const elements = values
          .map((of) => ({ of, json: JSON.stringify(of) }))
          .filter(({ json }) => fits(json, bounds));
        const parcels = splitPayloads(elements, bounds);

        expect(parcels.flatMap((parcel) => parcel.elements)).toEqual(elements.map(({ of }) => of));
        for (const { payload, elements: inside, isArray } of parcels) {
          expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(bounds.maxBytes);
          expect(inside.length).toBeLessThanOrEqual(bounds.maxElements);
          expect(isArray).toBe(inside.length > 1);
          expect(JSON.parse(payload)).toEqual(isArray ? inside : inside[0]);
        }
        for (const [index, parcel] of parcels.entries()) {
          const next = parcels[index + 1];
          if (next === undefined || parcel.elements.length === bounds.maxElements) continue;
          const together = JSON.stringify([...parcel.elements, next.elements[0]]);
          // One comma more than a JSON array has is counted; that is all that may be wasted.
          expect(Buffer.byteLength(together) + 1).toBeGreaterThan(bounds.maxBytes);
        }
      }),
    );
  });

  test('a lone element travels as it is, several as an array', () => {
    expect(splitPayloads([element(1)], bounds)).toEqual([{ elements: [1], payload: '1', isArray: false }]);
    expect(splitPayloads([element(1), element(2)], bounds)).toEqual([
      { elements: [1, 2], payload: '[1,2]', isArray: true },
    ]);
    expect(splitPayloads([], bounds)).toEqual([]);
  });

  test('what is too large by itself does not fit', () => {
    expect(fits('x'.repeat(58), bounds)).toBe(true);
    expect(fits('x'.repeat(59), bounds)).toBe(false);
    expect(fits('ж'.repeat(30), bounds)).toBe(false);
  });
});
