// Reads an OpenAPI 3.1 description and validates calls against it with Ajv: the subset that our own descriptions use
// (JSON bodies, path and query parameters, one bearer scheme with roles). It is no general OpenAPI validator: those
// cost some 17 MiB more in each process.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { OncewayError } from '@onceway/sdk/protocol';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: { readonly type?: string };
}

interface OperationObject {
  readonly operationId: string;
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: object } } };
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
}

/** One operation, ready to be routed. */
export interface Operation {
  readonly id: string;
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** As Express wants it: `/members/:member`. */
  readonly route: string;
  /** Roles that may call it; undefined where nobody needs to authenticate. */
  readonly roles: readonly string[] | undefined;
  /** Checks and converts what came. @throws {OncewayError} `request_invalid` with the rule that was broken */
  readonly validate: (params: object, query: object, body: unknown) => ValidCall;
}

export interface ValidCall {
  /** Values by name, integers as numbers. */
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly body: unknown;
}

const pointerOf = (...parts: readonly string[]): string =>
  parts.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');

function folderOfDescriptions(): string {
  const schemas = createRequire(import.meta.url).resolve('@onceway/schemas');
  return join(dirname(schemas), '..', '..', 'openapi');
}

/** Reads a description of the published ones by its name, e.g. `registry-management`. */
export function readApiDescription(name: string): {
  readonly text: string;
  readonly operations: readonly Operation[];
} {
  const text = readFileSync(join(folderOfDescriptions(), `${name}.json`), 'utf8');
  const document = JSON.parse(text) as Document;
  const ajv = new Ajv2020({ strict: false, schemas: { api: document as object } });
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const pointer = (...parts: string[]): string => `api#/${pointerOf('paths', path, method, ...parts)}`;
      const body =
        operation.requestBody &&
        ajv.compile({ $ref: pointer('requestBody', 'content', 'application/json', 'schema') });
      const parameters = (operation.parameters ?? [])
        .filter(({ in: place }) => place !== 'header')
        .map((parameter, index) => ({
          ...parameter,
          check: ajv.compile({ $ref: pointer('parameters', String(index), 'schema') }),
        }));
      return {
        id: operation.operationId,
        method: method as Operation['method'],
        route: path.replace(/\{(\w+)\}/g, ':$1'),
        roles: rolesOf(operation),
        validate: (params: object, query: object, given: unknown): ValidCall => ({
          parameters: readParameters(parameters, { path: params, query }),
          body: body === undefined ? undefined : readBody(body, given),
        }),
      };
    }),
  );
  return { text, operations };
}

/** `security: []` says that nobody needs to authenticate. Saying nothing is a mistake, never an open door. */
function rolesOf({ operationId, security }: OperationObject): readonly string[] | undefined {
  if (security === undefined) throw new TypeError(`${operationId} does not say who may call it`);
  if (security.length === 0) return undefined;
  const roles = security.flatMap((one) => Object.values(one).flat());
  if (roles.length === 0) throw new TypeError(`${operationId} names no role`);
  return roles;
}

function refused(rule: string): OncewayError {
  return new OncewayError('request_invalid', rule, { rule });
}

function readBody(check: ValidateFunction, body: unknown): unknown {
  if (check(body)) return body;
  const [error] = check.errors ?? [];
  const params = error?.params as { additionalProperty?: string } | undefined;
  const detail =
    params?.additionalProperty === undefined ? '' : ` (${params.additionalProperty.slice(0, 60)})`;
  throw refused(`body${error?.instancePath ?? ''} ${error?.message ?? 'is invalid'}${detail}`);
}

function readParameters(
  known: readonly (Parameter & { readonly check: ValidateFunction })[],
  given: { readonly path: object; readonly query: object },
): Record<string, string | number> {
  const unknown = Object.keys(given.query).find(
    (name) => !known.some((parameter) => parameter.in === 'query' && parameter.name === name),
  );
  if (unknown !== undefined) throw refused(`query ${unknown.slice(0, 60)} is not known`);
  const values: Record<string, string | number> = {};
  for (const { name, in: place, required, schema, check } of known) {
    const text = (given[place as 'path' | 'query'] as Record<string, unknown>)[name];
    if (text === undefined) {
      if (required === true) throw refused(`${place} ${name} is required`);
      continue;
    }
    const isNumber = typeof text === 'string' && /^(?:0|[1-9]\d{0,15})$/.test(text);
    const value = schema.type === 'integer' && isNumber ? Number(text) : text;
    if (!check(value)) throw refused(`${place} ${name} ${check.errors?.[0]?.message ?? 'is invalid'}`);
    values[name] = value as string | number;
  }
  return values;
}
