// Renders errors as problem details (RFC 9457). Only what the table of problems says is shown, and the rule that
// refused; what broke is told to the operator under the id that the caller sees.
import { randomUUID } from 'node:crypto';
import { codeOf, OncewayError, problemOf } from '@onceway/sdk/protocol';
import type { ErrorRequestHandler, Request, Response } from 'express';

/** What the body parser throws, in our codes. */
export function fromBodyParser(error: unknown): unknown {
  const { type } = (error ?? {}) as { type?: unknown };
  if (type === 'entity.too.large') return new OncewayError('body_too_large', 'the body is too large');
  if (typeof type === 'string')
    return new OncewayError('request_invalid', type, { rule: 'body is not JSON' });
  // Express throws this for a path that is not percent-encoded UTF-8.
  if (error instanceof URIError) return new OncewayError('request_invalid', 'the path can not be decoded');
  return error;
}

export function sendProblem(
  request: Request,
  response: Response,
  error: unknown,
  broke: (error: unknown) => void,
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const code = codeOf(error);
  const language = request.acceptsLanguages('en', 'vi') === 'vi' ? 'vi' : 'en';
  const instance = code === 'broken' ? `urn:uuid:${randomUUID()}` : undefined;
  if (instance !== undefined) broke(Object.assign(new Error(instance), { cause: error }));
  const rule = error instanceof OncewayError ? error.rule : undefined;
  const problem = problemOf(code, {
    hop: 'registry',
    language,
    ...(rule === undefined ? {} : { rule }),
    ...(instance === undefined ? {} : { instance }),
  });
  if (code === 'unauthenticated') response.setHeader('WWW-Authenticate', 'Bearer');
  response
    .status(problem.status)
    .type('application/problem+json')
    .setHeader('Content-Language', language)
    .send(JSON.stringify(problem));
}

/** Last in each application. */
export function problemHandler(broke: (error: unknown) => void): ErrorRequestHandler {
  return (error, request, response, _next) => sendProblem(request, response, fromBodyParser(error), broke);
}
