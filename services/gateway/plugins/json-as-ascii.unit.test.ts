import { describe, expect, test } from '@jest/globals';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import { buildApp } from '../app.ts';
import type { Ledger } from '../ledger-when-connected.ts';

const detail = 'Für Zoë, “今日”, 💰 and plain text.';
const escaped = 'F\\u00fcr Zo\\u00eb, \\u201c\\u4eca\\u65e5\\u201d, \\ud83d\\udcb0 and plain text.';

const ledger: Ledger = {
  send: (async () => ({ ok: false, error: { code: 'unavailable', detail } })) as unknown as Ledger['send'],
  ask: () => Promise.reject(new Error('not asked')),
  missing: () => [],
};

async function answer(jsonAsAscii: boolean) {
  const logger = createLogger('gateway', 'silent');
  const app = await buildApp({ ledger, logger, metrics: createMetrics(), jsonAsAscii });
  const payload = { id: '26c940a1-7228-4ea2-a3bc-e6460b172040', amount: '1' };
  const answered = await app.inject({ method: 'POST', url: '/api/add', payload });
  await app.close();
  return answered;
}

describe('JSON_AS_ASCII', () => {
  test.each([
    [true, escaped],
    [false, detail],
  ])('%s: answers write %j', async (jsonAsAscii, written) => {
    const { body, rawPayload, headers } = await answer(jsonAsAscii);
    expect(body).toContain(`"detail":"${written}"`);
    expect(JSON.parse(body)).toMatchObject({ detail });
    expect(headers['content-length']).toBe(String(rawPayload.length));
  });
});
