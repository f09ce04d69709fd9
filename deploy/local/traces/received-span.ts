import { z } from 'zod';

/** A list or an object is kept as its JSON. */
const attributeSchema = z.union([z.string(), z.number(), z.boolean()]);

/** A span as the services report it, in the words of this project. */
export const receivedSpanSchema = z.object({
  /** The resource's `service.name`. */
  service: z.string(),
  /** The resource's attributes. */
  resource: z.record(z.string(), attributeSchema),
  traceId: z.string(),
  spanId: z.string(),
  /** Missing for the first span of a trace. */
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.enum(['internal', 'server', 'client', 'producer', 'consumer']),
  attributes: z.record(z.string(), attributeSchema),
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })),
  isError: z.boolean(),
  /** Milliseconds since 1970, to the microsecond. */
  startMs: z.number(),
  endMs: z.number(),
});

export type ReceivedSpan = z.output<typeof receivedSpanSchema>;

/** A value comes as an object with the one field that has its type, such as `{ "stringValue": "nats" }`. */
const attributesSchema = z
  .array(z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) }))
  .default([])
  .transform((attributes) =>
    Object.fromEntries(
      attributes.map(({ key, value }) => {
        const [content] = Object.values(value);
        const simple = attributeSchema.safeParse(content);
        return [key, simple.success ? simple.data : JSON.stringify(content ?? null)];
      }),
    ),
  );

const nanosSchema = z
  .union([z.string().regex(/^\d+$/), z.int()])
  .transform((nanos) => Number(BigInt(nanos) / 1_000n) / 1_000);

const otlpSpanSchema = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.int().default(0),
  attributes: attributesSchema,
  links: receivedSpanSchema.shape.links.default([]),
  status: z.object({ code: z.int().optional() }).default({}),
  startTimeUnixNano: nanosSchema,
  endTimeUnixNano: nanosSchema,
});

/** The parts of OTLP's `ExportTraceServiceRequest`, as JSON, that are shown. */
const otlpTracesSchema = z.object({
  resourceSpans: z
    .array(
      z.object({
        resource: z.object({ attributes: attributesSchema }).optional(),
        scopeSpans: z.array(z.object({ spans: z.array(otlpSpanSchema).default([]) })).default([]),
      }),
    )
    .default([]),
});

/** In the order of OTLP's numbers, from 1. */
const kinds = ['internal', 'server', 'client', 'producer', 'consumer'] as const;
const statusError = 2;

/**
 * Reads what an OTLP/HTTP exporter posts as JSON. Throws a `ZodError` when it is something else.
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */
export function readOtlpTraces(body: unknown): ReceivedSpan[] {
  return otlpTracesSchema.parse(body).resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const resourceAttributes = resource?.attributes ?? {};
    return scopeSpans
      .flatMap(({ spans }) => spans)
      .map(({ parentSpanId = '', kind, status, startTimeUnixNano, endTimeUnixNano, ...span }) => ({
        ...span,
        service: String(resourceAttributes['service.name']),
        resource: resourceAttributes,
        ...(parentSpanId !== '' && { parentSpanId }),
        kind: kinds[kind - 1] ?? 'internal',
        isError: status.code === statusError,
        startMs: startTimeUnixNano,
        endMs: endTimeUnixNano,
      }));
  });
}
