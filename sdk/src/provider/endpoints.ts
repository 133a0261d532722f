// Turns the handlers of one service into an Express application: what the description says is checked before a
// handler runs, and what a handler refuses is told as RFC 9457. It authorises nobody: the security server did.
import express from 'express';
import type { ErrorRequestHandler, Express, NextFunction, Request, Response } from 'express';
import { caller } from './caller.js';
import type { Caller } from './caller.js';
import { readDescription } from './description.js';
import type { DescribedOperation, Mistake, OpenApiDescription } from './description.js';
import { ServiceRefusal } from './service-refusal.js';

export interface EndpointRequest {
  readonly caller: Caller;
  /** Checked and coerced as described. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, unknown>>;
  /** Checked as described; undefined without one. */
  readonly body: unknown;
}

export interface EndpointAnswer {
  /** 200 unless given. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

export type EndpointHandler = (request: EndpointRequest) => EndpointAnswer | Promise<EndpointAnswer>;

/** By operation, as the description has it: `{ 'GET /records/{code}': … }`. */
export type Endpoints = Readonly<Record<string, EndpointHandler>>;

interface ServiceProblem {
  readonly status: number;
  readonly title: string;
  readonly detail?: string;
  readonly reason?: string;
  readonly mistakes?: readonly Mistake[];
}

function sendProblem(response: Response, problem: ServiceProblem): void {
  response
    .status(problem.status)
    .set('Content-Type', 'application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', ...problem }));
}

/** The last step of every service: nothing of a bug's text leaves the house. A coded error that escapes a handler is a
 *  bug too: what another service refused to us is not what our caller did wrong. */
export function problems(onError: (error: unknown) => void): ErrorRequestHandler {
  // Express knows an error handler by its four parameters.
  return (error: unknown, _request: Request, response: Response, next: NextFunction): void => {
    if (response.headersSent) {
      next(error);
    } else if (error instanceof ServiceRefusal) {
      const { status, message, reason } = error;
      sendProblem(response, { status, title: message, reason });
    } else if (isBodyError(error)) {
      sendProblem(response, { status: error.status, title: 'Body can not be read', reason: error.type });
    } else {
      onError(error);
      sendProblem(response, { status: 500, title: 'Something broke in the service' });
    }
  };
}

/** body-parser's errors: malformed, too large, wrong character set. */
const isBodyError = (error: unknown): error is { readonly status: number; readonly type: string } =>
  typeof error === 'object' &&
  error !== null &&
  'status' in error &&
  'type' in error &&
  typeof error.status === 'number' &&
  error.status >= 400 &&
  error.status < 500;

async function answer(
  operation: DescribedOperation,
  handler: EndpointHandler,
  request: Request,
  response: Response,
) {
  const values = {
    path: { ...request.params } as Record<string, unknown>,
    query: { ...request.query } as Record<string, unknown>,
    header: request.headers as Record<string, unknown>,
    body: request.body as unknown,
  };
  const mistakes = operation.mistakes(values);
  if (mistakes.length > 0) {
    sendProblem(response, {
      status: 400,
      title: 'Request does not fit its description',
      reason: 'request_invalid',
      mistakes,
    });
    return;
  }
  const given = await handler({
    caller: caller(request),
    params: values.path,
    query: values.query,
    body: values.body,
  });
  response.status(given.status ?? 200).set({ ...given.headers });
  if (given.json === undefined) response.end();
  else response.json(given.json);
}

/** @throws {TypeError} an operation without a handler, or a handler without an operation */
export function endpointApplication(
  description: OpenApiDescription,
  endpoints: Endpoints,
  options: { readonly bodyBytesMax: number },
): Express {
  const operations = readDescription(description);
  const described = new Set(operations.map(({ name }) => name));
  const strangers = Object.keys(endpoints).filter((name) => !described.has(name));
  if (strangers.length > 0) throw new TypeError(`not in the description: ${strangers.join(', ')}`);

  const application = express();
  application.disable('x-powered-by').disable('etag').set('query parser', 'simple');
  const readJson = express.json({ limit: options.bodyBytesMax, strict: false });
  for (const operation of operations) {
    const handler = endpoints[operation.name];
    if (handler === undefined) throw new TypeError(`described, but without a handler: ${operation.name}`);
    application[operation.method as 'get'](
      operation.path === '' ? '/' : operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      ...(operation.takesBody ? [readJson] : []),
      (request: Request, response: Response) => answer(operation, handler, request, response),
    );
  }
  application.use((_request: Request, response: Response) =>
    sendProblem(response, { status: 404, title: 'There is no such operation', reason: 'not_found' }),
  );
  return application;
}
