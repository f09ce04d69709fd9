import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { validate } from '@readme/openapi-parser';
import type { FastifyInstance } from 'fastify';
import type { OpenAPIV3_1 } from 'openapi-types';
import { errorCatalogue, errorCodes } from '../../../shared/contracts/error-codes.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import { buildApp } from '../app.ts';
import {
  accountsAnswerSchema,
  addAnswerSchema,
  addBodySchema,
  closeAnswerSchema,
  closeBodySchema,
  openAnswerSchema,
  openBodySchema,
  statusAnswerSchema,
  transferAnswerSchema,
  transferBodySchema,
  subtractAnswerSchema,
} from '../http-schemas.ts';
import { problemSchema } from '../problem-schema.ts';
import type { Ledger } from '../ledger-when-connected.ts';

type Document = OpenAPIV3_1.Document;

const noLedger: Ledger = {
  send: () => Promise.reject(new Error('not asked')),
  ask: () => Promise.reject(new Error('not asked')),
  missing: () => [],
};

describe('the OpenAPI document', () => {
  let app: FastifyInstance;
  let document: Document;
  beforeAll(async () => {
    const logger = createLogger('gateway', 'silent');
    app = await buildApp({ ledger: noLedger, logger, metrics: createMetrics() });
    document = (await app.inject('/openapi.json')).json<Document>();
  });
  afterAll(() => app.close());

  const operations = () =>
    Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
      Object.entries(item ?? {}).map(([method, operation]) => ({
        name: `${method} ${path}`,
        operation: operation as OpenAPIV3_1.OperationObject,
      })),
    );

  const headersOf = (path: string, method: 'get' | 'post', status: string) => {
    const answer = document.paths?.[path]?.[method]?.responses?.[status] as OpenAPIV3_1.ResponseObject;
    return Object.keys(answer.headers ?? {});
  };

  test('is valid OpenAPI 3.1', async () => {
    expect(document.openapi).toBe('3.1.0');
    // The validator resolves references in place.
    await expect(validate(structuredClone(document))).resolves.toMatchObject({ valid: true, warnings: [] });
  });

  test('has the routes of the API, and none of the framework', () => {
    expect(operations().map(({ name }) => name)).toEqual([
      'get /api/status/{id}',
      'get /api/status/{id}/entries',
      'post /api/add',
      'post /api/substract',
      'post /api/subtract',
      'post /api/transfer',
      'get /api/status/{id}/holds',
      'get /api/status/{id}/holds/{holdId}',
      'post /api/settle',
      'post /api/release',
      'post /api/extend',
      'get /api/accounts',
      'post /api/open',
      'post /api/set-limit',
      'post /api/close',
      'get /api/events',
      'get /api/ping',
      'get /healthz',
      'get /readyz',
    ]);
  });

  test('names the headers of answers', () => {
    const everywhere = ['X-Request-Id', 'Trace-Id'];
    expect(headersOf('/api/ping', 'get', '200')).toEqual(everywhere);
    expect(headersOf('/api/status/{id}', 'get', '401')).toEqual([...everywhere, 'WWW-Authenticate']);
    expect(headersOf('/api/add', 'post', '200')).toEqual([
      ...everywhere,
      'Idempotency-Key',
      'Idempotency-Replayed',
    ]);
    expect(headersOf('/api/add', 'post', '415')).toEqual([...everywhere, 'Idempotency-Key']);
    expect(headersOf('/api/add', 'post', '503')).toEqual([...everywhere, 'Retry-After']);
    expect(headersOf('/api/events', 'get', '503')).toEqual([...everywhere, 'Retry-After']);
    expect(headersOf('/readyz', 'get', '503')).toEqual(everywhere);
  });

  test('has every error code', () => {
    expect(document).toHaveProperty(['components', 'schemas', 'Problem', 'properties', 'code'], {
      type: 'string',
      enum: errorCodes,
    });
  });

  test('says which token a route takes, and what it answers without one', () => {
    const scheme = document.components?.securitySchemes?.['token'];
    expect(scheme).toMatchObject({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' });
    const needs = operations().flatMap(({ name, operation: { security, responses } }) =>
      security === undefined ? [] : [{ name, security, statuses: Object.keys(responses ?? {}) }],
    );
    // Without tokens asked for, as here, none will do as well.
    expect(needs.map(({ name, security }) => [name, security])).toEqual([
      ['get /api/status/{id}', [{}, { token: ['balance:read'] }]],
      ['get /api/status/{id}/entries', [{}, { token: ['balance:read'] }]],
      ['post /api/add', [{}, { token: ['balance:write'] }]],
      ['post /api/substract', [{}, { token: ['balance:write'] }]],
      ['post /api/subtract', [{}, { token: ['balance:write'] }]],
      ['post /api/transfer', [{}, { token: ['balance:write'] }]],
      ['get /api/status/{id}/holds', [{}, { token: ['balance:read'] }]],
      ['get /api/status/{id}/holds/{holdId}', [{}, { token: ['balance:read'] }]],
      ['post /api/settle', [{}, { token: ['balance:write'] }]],
      ['post /api/release', [{}, { token: ['balance:write'] }]],
      ['post /api/extend', [{}, { token: ['balance:write'] }]],
      ['get /api/accounts', [{}, { token: ['balance:admin'] }]],
      ['post /api/open', [{}, { token: ['balance:admin'] }]],
      ['post /api/set-limit', [{}, { token: ['balance:admin'] }]],
      ['post /api/close', [{}, { token: ['balance:admin'] }]],
      ['get /api/events', [{}, { token: ['balance:read'] }]],
    ]);
    for (const { statuses } of needs) expect(statuses).toEqual(expect.arrayContaining(['401', '403', '429']));
  });

  test('has an example of each error of a route, under its status', () => {
    const named = operations().flatMap(({ operation }) =>
      Object.entries(operation.responses ?? {}).flatMap(([status, response]) =>
        Object.entries(
          (response as OpenAPIV3_1.ResponseObject).content?.['application/problem+json']?.examples ?? {},
        ).map(([code, example]) => ({ status, code, value: (example as { value: unknown }).value })),
      ),
    );
    expect(named.length).toBeGreaterThan(30);
    for (const { status, code, value } of named) {
      const problem = problemSchema.parse(value);
      expect([problem.code, problem.status]).toEqual([code, Number(status)]);
      expect(errorCatalogue[problem.code].status).toBe(problem.status);
    }
  });

  test.each([
    ['body', addBodySchema],
    ['status', statusAnswerSchema],
    ['added', addAnswerSchema],
    ['subtracted', subtractAnswerSchema],
    ['transferred', transferAnswerSchema],
    ['what transfers', transferBodySchema],
    ['accounts', accountsAnswerSchema],
    ['opened', openAnswerSchema],
    ['closed', closeAnswerSchema],
    ['what closes', closeBodySchema],
  ])('its examples are what they show: %s', (_, schema) => {
    const examples = (schema.meta() as { examples: unknown[] }).examples;
    expect(examples).not.toEqual([]);
    for (const example of examples) expect(schema.strict().parse(example)).toEqual(example);
  });

  test('what opens an account is filled up with what is usual, and the document says so', () => {
    const [least] = (openBodySchema.meta() as { examples: object[] }).examples;
    const usual = { currency: 'XXX', decimals: 2, overdraftLimit: '0' };
    expect(openBodySchema.parse(least)).toEqual({ ...least, ...usual });
    const request = document.paths?.['/api/open']?.post?.requestBody as OpenAPIV3_1.RequestBodyObject;
    expect(request.content['application/json']?.schema).toMatchObject({
      required: ['id', 'name'],
      properties: {
        currency: { default: 'XXX' },
        decimals: { default: 2 },
        overdraftLimit: { default: '0' },
      },
    });
  });

  test('the page to try it on is served whole, and asks nothing of others', async () => {
    const page = await app.inject('/docs/');
    expect(page.statusCode).toBe(200);
    const policy = String(page.headers['content-security-policy']);
    expect(policy).not.toContain('http');
    expect(policy).not.toContain('upgrade-insecure-requests');
    const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? '');
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) {
      const served = await app.inject(new URL(file, 'http://gateway/docs/').pathname);
      expect([file, served.statusCode]).toEqual([file, 200]);
    }
  });
});
