// The management interface: Express over the operations of schemas/openapi/security-server.json. Authenticates, checks
// the role, validates, calls, and enters each act in the audit trail. What the operations do: management-operations.ts.
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { codeOf, OncewayError } from '@onceway/sdk/protocol';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import type { ApiKey, ApiKeys, AuditTrail } from './management-access.js';
import { readManagementDescription, type Operation } from './management-description.js';
import { inOurCodes, sendProblem } from './management-problems.js';

/** A description of 512 KiB, or a PKCS#12 file in base64, with what stands around them. */
const BODY_BYTES_MAX = 1024 * 1024;

/** One validated call. */
export interface Call {
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly body: unknown;
  /** Who calls; undefined only where the operation names no role. */
  readonly key: ApiKey | undefined;
  readonly response: Response;
  /** What the act is about, for the trail, where the path does not say it. Identifiers only. */
  readonly about: (subject: string) => void;
}

export const textOf = ({ parameters }: Call, name: string): string => String(parameters[name]);

/** Name of the key that decides. */
export function officerOf({ key }: Call): string {
  if (key === undefined) throw new TypeError('the operation names no role');
  return key.name;
}

/** By operationId. What one returns is sent as JSON, a string as text, pieces of JSON as they come, `undefined` as 204. */
export type Handlers = Readonly<Record<string, (call: Call) => unknown>>;

export interface ManagementOptions {
  readonly handlers: Handlers;
  readonly keys: ApiKeys;
  readonly audit: AuditTrail;
  /** Told of every bug, with the id that the caller sees. */
  readonly broke: (error: unknown, id: string) => void;
}

export function createManagementInterface(options: ManagementOptions): Express {
  const { text, operations } = readManagementDescription();
  const application = express();
  application.disable('x-powered-by');
  application.set('etag', false);
  application.set('query parser', 'simple');
  application.use(helmet());
  application.get('/openapi.json', (_request, response) => void response.type('json').send(text));
  for (const operation of operations) {
    const handler = options.handlers[operation.id];
    if (handler === undefined) throw new TypeError(`no handler for ${operation.id}`);
    application[operation.method](operation.route, (request, response) =>
      answer(operation, handler, options, request, response),
    );
  }
  application.use(() => {
    throw new OncewayError('not_found', 'no such path');
  });
  application.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    sendProblem(request, response, inOurCodes(error), options.broke);
  });
  return application;
}

async function answer(
  operation: Operation,
  handler: Handlers[string],
  { keys, audit, broke }: ManagementOptions,
  request: Request,
  response: Response,
): Promise<void> {
  let key: ApiKey | undefined;
  // Never the query or a body as they came: what is entered stays, and they may hold what must not.
  let subject = Object.values(request.params).join(' ');
  try {
    if (operation.roles.length > 0) {
      key = keys.authenticate(request.get('authorization'));
      if (!key.roles.some((role) => operation.roles.includes(role)))
        throw new OncewayError('forbidden', `${key.name} may not ${operation.id}`, {
          rule: `roles: ${operation.roles.join(', ')}`,
        });
    }
    if (operation.body !== undefined) await readBody(request, response);
    const parameters = operation.parameters(request.params, request.query);
    const body: unknown = request.body;
    operation.body?.(body);
    const result = await handler({
      ...{ parameters, body, key, response },
      about: (named) => {
        subject = named;
      },
    });
    if (operation.audited && key !== undefined) audit.enter(key.name, operation.id, subject, 'done');
    response.setHeader('Cache-Control', 'no-store');
    if (result === undefined) response.status(204).end();
    else if (typeof result === 'string') response.type('text/plain').send(result);
    else if (isPieces(result))
      await pipeline(Readable.from(result), response.type('application/json')).catch((error: unknown) => {
        // Whoever asked sees that it is not whole, and may be the one who left; what broke here is told.
        if (!isLeft(error)) broke(error, randomUUID());
      });
    else response.type('application/json').send(JSON.stringify(result));
  } catch (thrown) {
    const error = inOurCodes(thrown);
    if (key !== undefined) audit.enter(key.name, operation.id, subject, codeOf(error));
    else audit.stranger(operation.id, codeOf(error));
    sendProblem(request, response, error, broke);
  }
}

const isLeft = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';

const isPieces = (result: unknown): result is AsyncIterable<string> =>
  typeof result === 'object' && result !== null && Symbol.asyncIterator in result;

// Compressed bodies are refused: a small one could unpack to anything.
const parseBody = express.json({ limit: BODY_BYTES_MAX, inflate: false, strict: true });

/** @throws {OncewayError} `request_invalid`, `body_too_large` */
async function readBody(request: Request, response: Response): Promise<void> {
  if (request.is('application/json') === false)
    throw new OncewayError('request_invalid', 'the body is not application/json', {
      rule: 'the body is not JSON',
    });
  await new Promise<void>((resolve, reject) => {
    parseBody(request, response, (error?: Error) => (error === undefined ? resolve() : reject(error)));
  });
}
