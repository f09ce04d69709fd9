import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { OpenAPIV3_1 } from 'openapi-types';
import { z } from 'zod';
import { readVersion } from '../../../shared/config/read-version.ts';
import { commandHeadersSchema } from '../http-schemas.ts';
import { answerHeaders } from '../openapi-responses.ts';
import { pages } from './security-headers.ts';
import type { Scope } from '../auth/caller.ts';
import type { AccessGuard } from '../auth/access-guard.ts';

/**
 * The page needs nothing from elsewhere. The plugin's own policy would make browsers ask for its files by HTTPS, which
 * nobody answers where the gateway is reached by plain HTTP on another address than loopback.
 */
const docsCsp =
  "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; " +
  "img-src 'self' data:; script-src 'self'; style-src 'self' 'unsafe-inline'";

/** The name of the security scheme. */
const token = 'token';

/** `GET /openapi.json`, and a page to try the API on at `/docs`. Must be added before the routes that it describes. */
export async function addOpenApi(
  app: FastifyInstance,
  { testClock }: { readonly testClock: boolean },
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Holdfast',
        description:
          'User balances with holds. A subtract places a hold, which is settled after a while, or ended before by a caller. ' +
          'Amounts are decimal strings, never numbers. Errors are `application/problem+json` (RFC 9457).',
        version: readVersion(),
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: {
        securitySchemes: {
          [token]: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description:
              'A signed JSON Web Token. Its claim `scope` has `balance:read`, `balance:write` or `balance:admin`, of ' +
              'which each includes those before it; its claim `accounts`, when there is one, narrows it to at most 100 account ids.',
          },
        },
      },
      tags: [
        { name: 'balances', description: 'What an account has, what has changed it, and changing it.' },
        { name: 'holds', description: 'What a subtract holds, and ending or extending it before it is due.' },
        { name: 'accounts', description: 'Opening, closing and listing accounts, and their limits.' },
        { name: 'events', description: 'What has happened, as it happens.' },
        ...(testClock
          ? [{ name: 'test clock', description: 'Moving the books’ time, to see what it brings.' }]
          : []),
        { name: 'health', description: 'For load balancers and supervisors.' },
      ],
    },
    hideUntagged: true,
    transform: describeRoute,
    transformObject: keepReferencedSchemas,
  });
  await app.register(swaggerUi, {
    routePrefix: pages,
    staticCSP: docsCsp,
    theme: { title: 'Holdfast API' },
    uiConfig: {
      layout: 'BaseLayout',
      docExpansion: 'list',
      tryItOutEnabled: true,
      defaultModelsExpandDepth: 0,
    },
  });
  app.get('/openapi.json', (_request, reply) => reply.send(app.swagger()));
}

/** What a route needs, for its `security`: a token with this scope, which a gateway that asks for none takes as well. */
export function securityFor({ requiresTokens }: AccessGuard, scope: Scope): Record<string, string[]>[] {
  const needed = { [token]: [scope] };
  return requiresTokens ? [needed] : [{}, needed];
}

/** What zod says about its own workings, and a client need not know. */
const zodToJsonConfig = {
  override: ({
    zodSchema,
    jsonSchema,
  }: {
    zodSchema: z.core.$ZodTypes;
    jsonSchema: z.core.JSONSchema.BaseSchema;
  }) => {
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    // Answers may get more fields; only where unknown ones are refused (strict objects) does the schema say so.
    if (zodSchema instanceof z.ZodObject && zodSchema.def.catchall === undefined) {
      delete jsonSchema.additionalProperties;
    }
  },
};

type Transform = ReturnType<typeof createJsonSchemaTransform>;
type TransformObject = ReturnType<typeof createJsonSchemaTransformObject>;

const toJsonSchema = createJsonSchemaTransform({ zodToJsonConfig });

/** A route's zod schemas as JSON schemas, with the headers of its answers and the examples that stand beside a schema. */
const describeRoute: Transform = (route) => {
  const described = toJsonSchema(route);
  const responses = (route.schema?.response ?? {}) as Record<string, DescribedResponse>;
  const transformed = (described.schema?.response ?? {}) as Record<string, DescribedResponse>;
  for (const [status, response] of Object.entries(responses)) {
    for (const [type, { examples }] of Object.entries(response.content)) {
      const media = transformed[status]?.content[type];
      if (media !== undefined && examples !== undefined) media.examples = examples;
    }
  }
  const isCommand = route.schema?.headers === commandHeadersSchema;
  for (const [status, response] of Object.entries(transformed)) {
    const isProblem = 'application/problem+json' in response.content;
    response.headers = answerHeaders(status, { isCommand, isProblem });
  }
  return described;
};

interface DescribedResponse {
  headers?: ReturnType<typeof answerHeaders>;
  content: Record<string, { schema: unknown; examples?: unknown }>;
}

const withSchemas = createJsonSchemaTransformObject({ zodToJsonConfig });

/** Every named schema is made twice, for input and for output: the half that nothing refers to is left out. */
const keepReferencedSchemas: TransformObject = (document) => {
  const complete = withSchemas(document) as OpenAPIV3_1.Document;
  const text = JSON.stringify(complete);
  const schemas = Object.entries(complete.components?.schemas ?? {}).filter(([name]) =>
    text.includes(`"#/components/schemas/${name}"`),
  );
  return { ...complete, components: { ...complete.components, schemas: Object.fromEntries(schemas) } };
};
