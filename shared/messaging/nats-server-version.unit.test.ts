import { describe, expect, test } from '@jest/globals';
import { compareVersions, isNewEnough, parseVersion, versionWarning } from './nats-server-version.ts';

test.each([
  ['nats-server: v2.10.27', '2.10.27'],
  ['nats-server: v2.12.0-preview.1', '2.12.0'],
  ['2.9.10', '2.9.10'],
  ['nats-server: not set', undefined],
])('the version in %j', (output, version) => {
  expect(parseVersion(output)).toBe(version);
});

test('versions are compared as numbers', () => {
  const sorted = ['2.9.10', '2.10.9', '2.10.10', '2.14.7', '10.0.0'];
  expect(sorted.toReversed().toSorted(compareVersions)).toEqual(sorted);
  expect(compareVersions('2.10.0', '2.10.0')).toBe(0);
});

describe('which versions may be started', () => {
  test.each(['2.10.23', '2.10.27', '2.11.0', '2.14.7', '3.0.0'])('%s may', (version) => {
    expect(isNewEnough(version)).toBe(true);
    expect(versionWarning(version)).toBeUndefined();
  });

  test.each(['2.10.20', '2.10.21', '2.10.22'])('%s loses streams', (version) => {
    expect(isNewEnough(version)).toBe(false);
    expect(versionWarning(version)).toContain('lose whole streams');
  });

  test.each(['2.9.10', '2.10.19', '1.4.1'])('%s is too old', (version) => {
    expect(isNewEnough(version)).toBe(false);
    expect(versionWarning(version)).toContain('older than');
  });
});
