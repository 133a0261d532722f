// Writes a service down once: each operation with its words in two languages, what it takes, what it gives, and its
// handler. The OpenAPI description that is published and checked against is made from that.
import type { EndpointHandler, OperationObject, ServiceDefinition } from '@onceway/sdk/provider';
import type { Names } from './directory.js';

export type Schema = Readonly<Record<string, unknown>>;

export interface Operation {
  readonly summary: Names;
  readonly path?: Readonly<Record<string, Schema>>;
  readonly query?: Readonly<Record<string, Schema>>;
  /** `Data-Subject`: whom it is about. */
  readonly subject?: Schema;
  readonly body?: Schema;
  readonly answer: Schema;
  readonly handle: EndpointHandler;
}

export const text = (lengthMax: number): Schema => ({ type: 'string', minLength: 1, maxLength: lengthMax });
export const pattern = (source: string): Schema => ({ type: 'string', pattern: `^(?:${source})$` });
export const object = (
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
});

// Fictitious persons carry numbers that begin with 9: no province has such a code.
export const NUMBER = pattern('9[0-9]{11}');
export const SUBJECT = pattern('person:9[0-9]{11}');
export const DATE: Schema = { type: 'string', format: 'date' };
export const CASE_ID = pattern('HS-[0-9]{4}-[0-9]{6}');
export const NOTIFICATION = pattern('GCS-[0-9]{4}-[0-9]{6}');
export const COMMUNE = pattern('[0-9]{5}');
export const NAME = text(120);
export const SEX: Schema = { enum: ['female', 'male'] };
/** A correction of civil status, as Justice tells it. */
export const CORRECTION = object({
  caseId: CASE_ID,
  personalNumber: NUMBER,
  version: { type: 'integer', minimum: 2 },
  childName: NAME,
});
/** What an answer holds beyond the part that is described: nothing is promised of it. */
export const ANY: Schema = {};

const parameters = (where: 'path' | 'query', schemas: Readonly<Record<string, Schema>> = {}) =>
  Object.entries(schemas).map(([name, schema]) => ({
    name,
    in: where,
    required: where === 'path' || !('default' in schema),
    schema,
  }));

/** `GET /records/{code}` is `getRecordsCode`. */
const operationId = (name: string): string =>
  name
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
    .map((word, index) => (index === 0 ? word : `${word.charAt(0).toUpperCase()}${word.slice(1)}`))
    .join('');

function describe(name: string, operation: Operation): OperationObject {
  const refusal = { description: 'Refused: `reason` says why', content: { 'application/problem+json': {} } };
  return {
    operationId: operationId(name),
    summary: operation.summary.en,
    'x-summary': operation.summary,
    parameters: [
      ...parameters('path', operation.path),
      ...parameters('query', operation.query),
      ...(operation.subject === undefined
        ? []
        : [{ name: 'Data-Subject', in: 'header', required: true, schema: operation.subject } as const]),
    ],
    ...(operation.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: operation.body } } } }),
    responses: {
      '200': {
        description: operation.summary.en,
        content: { 'application/json': { schema: operation.answer } },
      },
      default: refusal,
    },
  };
}

/** `{ 'GET /records/{code}': … }` of one service. */
export function service(
  of: { readonly id: string; readonly names: Names },
  operations: Readonly<Record<string, Operation>>,
): ServiceDefinition {
  const paths: Record<string, Record<string, OperationObject>> = {};
  const endpoints: Record<string, EndpointHandler> = {};
  for (const [name, operation] of Object.entries(operations)) {
    const [method = '', path = ''] = name.split(' ');
    (paths[path] ??= {})[method.toLowerCase()] = describe(name, operation);
    endpoints[name] = operation.handle;
  }
  return {
    service: of.id,
    names: of.names,
    openapi: {
      openapi: '3.1.0',
      info: { title: of.names.en, version: '1.0.0', 'x-names': of.names },
      servers: [{ url: '/' }],
      // The security server has decided who may call before a request gets here.
      security: [],
      paths,
    },
    endpoints,
  };
}

/** The person in `Data-Subject`, already checked against its description. */
export const subjectOf = (subject: string | undefined): string => (subject ?? '').slice('person:'.length);
