// What the provider's side reads of an OpenAPI 3.1 description: operations, and one validator for each. The rest of
// the description is published as it stands.
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

export interface ParameterObject {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: object;
  readonly [more: string]: unknown;
}

export interface OperationObject {
  readonly parameters?: readonly ParameterObject[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly content: Readonly<Record<string, { readonly schema: object }>>;
  };
  readonly responses: Readonly<Record<string, object>>;
  readonly [more: string]: unknown;
}

export interface OpenApiDescription {
  readonly openapi: `3.${string}`;
  readonly info: { readonly title: string; readonly version: string; readonly [more: string]: unknown };
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly [more: string]: unknown;
}

export interface RequestValues {
  readonly path: Record<string, unknown>;
  readonly query: Record<string, unknown>;
  readonly header: Record<string, unknown>;
  readonly body: unknown;
}

/** What is wrong with a request, for its sender. */
export interface Mistake {
  readonly at: string;
  readonly what: string;
}

export interface DescribedOperation {
  /** `GET /persons/{id}`: as the access right and the message log name it. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly takesBody: boolean;
  /** Checks and coerces parameters in place (`"3"` becomes 3 where an integer is described); checks the body. */
  readonly mistakes: (values: RequestValues) => readonly Mistake[];
}

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const;
const PATH = /^(?:\/(?:[A-Za-z0-9\-._~]+|\{[A-Za-z][A-Za-z0-9]*\}))*\/?$/;
const ROOT = 'onceway:description';

const pointer = (...parts: readonly string[]): string =>
  parts.map((part) => `/${encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');

function mistakesOf(where: string, errors: readonly ErrorObject[] | null | undefined): Mistake[] {
  return (errors ?? []).map((error) => ({
    at: `${where}${error.instancePath}`,
    what:
      error.keyword === 'additionalProperties'
        ? `has an unknown name: ${String(error.params['additionalProperty'])}`
        : (error.message ?? 'is not as described'),
  }));
}

/** Compiled once, when the service starts.
 *  @throws {TypeError} the description is not OpenAPI 3, or its paths or schemas can not be read */
export function readDescription(description: OpenApiDescription): DescribedOperation[] {
  if (!description.openapi.startsWith('3.')) throw new TypeError('an OpenAPI 3 description is needed');
  // Two instances: text of parameters is coerced, a body is taken as it is.
  const options = { strict: false, allErrors: true };
  const forBodies = new Ajv2020(options);
  const forParameters = new Ajv2020({ ...options, coerceTypes: true, useDefaults: true });
  for (const ajv of [forBodies, forParameters]) {
    formats.default(ajv);
    ajv.addSchema({ $id: ROOT, ...description }, ROOT, false, false);
  }

  return Object.entries(description.paths).flatMap(([path, operations]) =>
    METHODS.flatMap((method) => {
      const operation = operations[method];
      if (operation === undefined) return [];
      if (!PATH.test(path)) throw new TypeError(`path ${path}: literal segments and {name} only`);
      const parameters = operation.parameters ?? [];
      const part = (where: ParameterObject['in']): ValidateFunction => {
        const own = parameters.flatMap((parameter, index) =>
          parameter.in === where ? [{ parameter, index }] : [],
        );
        const nameOf = (parameter: ParameterObject): string =>
          where === 'header' ? parameter.name.toLowerCase() : parameter.name;
        return forParameters.compile({
          type: 'object',
          properties: Object.fromEntries(
            own.map(({ parameter, index }) => [
              nameOf(parameter),
              {
                $ref: `${ROOT}#${pointer('paths', path, method, 'parameters', String(index), 'schema')}`,
                // Ajv fills in defaults that it sees beside the name, not behind a reference.
                ...('default' in parameter.schema ? { default: parameter.schema.default } : {}),
              },
            ]),
          ),
          required: own
            .filter(({ parameter }) => parameter.required)
            .map(({ parameter }) => nameOf(parameter)),
          ...(where === 'header' ? {} : { additionalProperties: false }),
        });
      };
      const parts = { path: part('path'), query: part('query'), header: part('header') };
      const json = operation.requestBody?.content['application/json'];
      const body =
        json === undefined
          ? undefined
          : forBodies.compile({
              $ref: `${ROOT}#${pointer('paths', path, method, 'requestBody', 'content', 'application/json', 'schema')}`,
            });
      return {
        name: `${method.toUpperCase()} ${path}`,
        method,
        path,
        takesBody: body !== undefined,
        mistakes: (values: RequestValues): readonly Mistake[] => {
          const found: Mistake[] = [];
          for (const where of ['path', 'query', 'header'] as const)
            if (!parts[where](values[where])) found.push(...mistakesOf(`/${where}`, parts[where].errors));
          const wanted = values.body !== undefined || operation.requestBody?.required === true;
          if (body !== undefined && wanted && !body(values.body))
            found.push(...mistakesOf('/body', body.errors));
          return found;
        },
      };
    }),
  );
}
