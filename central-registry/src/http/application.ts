// Turns a description and its handlers into an Express application: authenticate, authorise by role, validate, call,
// answer. Each refused act of somebody known is entered in the audit trail here.
import { promisify } from 'node:util';
import { OncewayError, codeOf } from '@onceway/sdk/protocol';
import express, { type Express, type Request, type Response } from 'express';
import helmet from 'helmet';
import type { Act, Actor, EntryAddition } from '../audit/audit-trail.js';
import type { ApiKeys } from '../access/api-key.js';
import type { Registry } from '../registry.js';
import { readApiDescription, type Operation } from './api-description.js';
import { fromBodyParser, problemHandler, sendProblem } from './problem.js';

export interface Call<Body = unknown> {
  readonly operation: string;
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly body: Body;
  readonly request: Request;
  readonly response: Response;
  /** Who calls; throws where the operation needs no authentication. */
  readonly actor: Actor;
  /** Does the operation as an act, in one transaction with its audit entry. */
  readonly perform: <T>(
    what: string,
    change: () => T,
    more?: { readonly reason?: string; readonly also?: (changed: T) => EntryAddition },
  ) => T;
}

/** A parameter that the description requires. */
export const textOf = (call: Call, name: string): string => String(call.parameters[name]);

/** What a handler returns is sent as JSON; `undefined` as 204, unless the handler has answered by itself. Each names
 *  the type of body that the description makes sure of. */
export type Handlers = Readonly<Record<string, (call: Call<never>) => unknown>>;

export interface ApplicationOptions {
  readonly description: string;
  readonly handlers: Handlers;
  readonly registry: Pick<Registry, 'audit' | 'publication' | 'broke'>;
  /** Without them nothing may need authentication. */
  readonly keys?: ApiKeys;
  readonly bodyBytesMax: number;
}

export function createApplication(options: ApplicationOptions): Express {
  const { text, operations } = readApiDescription(options.description);
  const application = express();
  application.disable('x-powered-by');
  application.set('etag', false);
  application.set('query parser', 'simple');
  application.use(helmet());
  application.get('/openapi.json', (_request, response) => void response.type('json').send(text));
  // Compressed bodies are refused: a small one could unpack to anything.
  const readJson = express.json({ limit: options.bodyBytesMax, inflate: false, strict: true });
  for (const operation of operations) {
    const handler = options.handlers[operation.id];
    if (handler === undefined) throw new TypeError(`no handler for ${operation.id}`);
    application[operation.method](operation.route, (request, response) =>
      answer(operation, handler, options, request, response, readJson),
    );
  }
  application.use(() => {
    throw new OncewayError('not_found', 'no such path');
  });
  application.use(problemHandler(options.registry.broke));
  return application;
}

async function answer(
  operation: Operation,
  handler: Handlers[string],
  options: ApplicationOptions,
  request: Request,
  response: Response,
  readJson: ReturnType<typeof express.json>,
): Promise<void> {
  const { audit, publication, broke } = options.registry;
  let actor: Actor | undefined;
  // Never the query or a body: what is entered in the trail stays for ever.
  const act: Act = { act: operation.id, what: pathOf(request) };
  try {
    actor = authenticate(operation, options, request);
    authorize(operation, actor);
    if (operation.method !== 'get' && operation.method !== 'delete')
      await readBody(request, response, readJson);
    const { parameters, body } = operation.validate(request.params, request.query, request.body);
    const caller = actor;
    const result = await handler({
      operation: operation.id,
      parameters,
      body: body as never,
      request,
      response,
      get actor() {
        if (caller === undefined) throw new TypeError(`${operation.id} has no caller`);
        return caller;
      },
      perform(what, change, { reason, also } = {}) {
        return audit.perform(
          this.actor,
          { act: operation.id, what, ...(reason === undefined ? {} : { reason }) },
          change,
          also,
        );
      },
    });
    if (response.headersSent) return;
    if (operation.method !== 'get') {
      await publication.changed();
      const seq = publication.current()?.seq;
      if (seq !== undefined) response.setHeader('Configuration-Seq', String(seq));
    }
    response.setHeader('Cache-Control', 'no-store');
    if (result === undefined) response.status(204).end();
    else response.type('application/json').send(JSON.stringify(result));
  } catch (thrown) {
    const error = fromBodyParser(thrown);
    if (actor !== undefined) audit.refused(actor, act, error);
    else if (codeOf(error) !== 'broken' && operation.method !== 'get') audit.stranger(operation.id, error);
    sendProblem(request, response, error, broke);
  }
}

/** @throws {OncewayError} `unauthenticated` */
function authenticate(
  { id, roles }: Operation,
  { keys }: ApplicationOptions,
  request: Request,
): Actor | undefined {
  if (roles === undefined) return undefined;
  if (keys === undefined) throw new TypeError(`${id} needs API keys`);
  return keys.authenticate(request.get('authorization'));
}

/** @throws {OncewayError} `forbidden` */
function authorize({ id, roles }: Operation, actor: Actor | undefined): void {
  if (roles !== undefined && !roles.includes(actor?.role ?? ''))
    throw new OncewayError('forbidden', `${actor?.role} may not ${id}`, {
      rule: `roles: ${roles.join(', ')}`,
    });
}

/** @throws {OncewayError} `request_invalid`, `body_too_large` */
async function readBody(
  request: Request,
  response: Response,
  readJson: ReturnType<typeof express.json>,
): Promise<void> {
  if (
    request.get('content-length') === '0' ||
    (request.get('content-type') === undefined && request.get('transfer-encoding') === undefined)
  )
    return;
  if (request.is('application/json') === false)
    throw new OncewayError('request_invalid', 'the body is not application/json', {
      rule: 'body is not JSON',
    });
  await promisify(readJson)(request, response);
}

/** What was called, for people: cut where it is long. */
function pathOf({ path }: Request): string {
  try {
    return decodeURIComponent(path).slice(0, 300).toWellFormed();
  } catch {
    return path.slice(0, 300);
  }
}
