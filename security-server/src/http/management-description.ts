// Reads the management interface's OpenAPI 3.1 description and validates calls against it with Ajv: the subset that it
// uses itself (JSON bodies, path and query parameters, one bearer scheme whose scopes are roles). A general validator
// (express-openapi-validator) costs each process 15 to 35 MiB more.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { OncewayError } from '@onceway/sdk/protocol';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required?: boolean;
  readonly schema: { readonly type?: string };
}

interface OperationObject {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: object;
  /** Entered in the audit trail although nothing is changed. */
  readonly 'x-audited'?: boolean;
}

export type Method = 'get' | 'post' | 'put' | 'delete';

export interface Operation {
  readonly id: string;
  readonly method: Method;
  /** As Express wants it: `/services/:service`. */
  readonly route: string;
  /** Empty where nobody needs to authenticate. */
  readonly roles: readonly string[];
  readonly audited: boolean;
  /** Parameters by name, integers as numbers. @throws {OncewayError} `request_invalid` */
  readonly parameters: (path: object, query: object) => Readonly<Record<string, string | number>>;
  /** Undefined where no body is taken: what comes is not read. @throws {OncewayError} `request_invalid` */
  readonly body: ((body: unknown) => void) | undefined;
}

/** `security-server.json` of the published descriptions. */
export function readManagementDescription(): {
  readonly text: string;
  readonly operations: readonly Operation[];
} {
  const schemas = createRequire(import.meta.url).resolve('@onceway/schemas');
  const text = readFileSync(join(dirname(schemas), '..', '..', 'openapi', 'security-server.json'), 'utf8');
  const document = JSON.parse(text) as {
    readonly paths: Readonly<Record<string, Readonly<Record<Method, OperationObject>>>>;
  };
  const ajv = new Ajv2020({ strict: false, verbose: true, schemas: { api: document } });
  /** Compiled when first needed: most of a server's life nobody administers it. */
  const checkOf = (...pointer: readonly string[]): ((value: unknown, where: string) => void) => {
    const escaped = pointer.map((part) =>
      encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')),
    );
    let validate: ValidateFunction | undefined;
    return (value, where) => {
      validate ??= ajv.compile({ $ref: `api#/${escaped.join('/')}` });
      if (validate(value)) return;
      const [error] = validate.errors ?? [];
      throw refused(`${where}${error?.instancePath ?? ''} ${whyOf(error)}`);
    };
  };
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    (Object.entries(methods) as [Method, OperationObject][]).map(([method, operation]): Operation => {
      const at = ['paths', path, method] as const;
      const known = (operation.parameters ?? []).map((parameter, index) => ({
        ...parameter,
        check: checkOf(...at, 'parameters', String(index), 'schema'),
      }));
      const checkBody =
        operation.requestBody && checkOf(...at, 'requestBody', 'content', 'application/json', 'schema');
      return {
        id: operation.operationId,
        method,
        route: path.replaceAll(/\{(\w+)\}/g, ':$1'),
        roles: operation.security.flatMap((scheme) => Object.values(scheme).flat()),
        audited: method !== 'get' || operation['x-audited'] === true,
        parameters: (inPath, inQuery) => readParameters(known, { path: inPath, query: inQuery }),
        body: checkBody && ((value) => checkBody(value, 'body')),
      };
    }),
  );
  return { text, operations };
}

/** A pattern is for programs: people are told what it stands for. */
function whyOf(error: ErrorObject | undefined): string {
  const { description } = (error?.parentSchema ?? {}) as { description?: string };
  return error?.keyword === 'pattern' && description !== undefined
    ? `is not what it shall be: ${description}`
    : (error?.message ?? 'does not fit');
}

function readParameters(
  known: readonly (Parameter & { readonly check: (value: unknown, where: string) => void })[],
  given: { readonly path: object; readonly query: object },
): Record<string, string | number> {
  const inQuery = new Set(known.filter((parameter) => parameter.in === 'query').map(({ name }) => name));
  const unknown = Object.keys(given.query).find((name) => !inQuery.has(name));
  if (unknown !== undefined) throw refused(`query ${unknown.slice(0, 60)} is not known`);
  const values: Record<string, string | number> = {};
  for (const { name, in: place, required, schema, check } of known) {
    const text: unknown = (given[place] as Record<string, unknown>)[name];
    if (text === undefined && required !== true) continue;
    const value =
      schema.type === 'integer' && /^(?:0|[1-9]\d{0,14})$/.test(String(text)) ? Number(text) : text;
    check(value, `${place} ${name}`);
    values[name] = value as string | number;
  }
  return values;
}

/** The reason is shown to the caller: it speaks of what he sent and of nothing else. */
function refused(reason: string): OncewayError {
  return new OncewayError('request_invalid', reason, { rule: reason.slice(0, 300) });
}
