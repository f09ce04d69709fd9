import { z } from 'zod';
import { errorCodes, type ErrorCode } from '../../shared/contracts/error-codes.ts';
import { errorViewSchema } from '../../shared/contracts/outcomes.ts';
import { commandIdSchema } from '../../shared/contracts/primitives.ts';

/** RFC 9457. `code` is what a program should look at; `detail` is for people and may change. */
export const problemSchema = z
  .object({
    type: z.string().describe('`urn:holdfast:error:` and the code.'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(errorCodes),
    fields: errorViewSchema.shape.fields,
    available: errorViewSchema.shape.available,
    requested: errorViewSchema.shape.requested,
    hold: errorViewSchema.shape.hold,
    commandId: commandIdSchema.optional().describe('When the request was to change something.'),
    idempotencyKey: z.string().optional().describe('The key that was sent, or one made up.'),
    traceId: z.string().optional().describe('The trace of the request, when it is sampled.'),
    trace: z.url().optional().describe('Where to look at that trace, when the gateway knows.'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof problemSchema>;

/** The `type` of a problem: a URI that names its code. */
export function problemType(code: ErrorCode): string {
  return `urn:holdfast:error:${code}`;
}
