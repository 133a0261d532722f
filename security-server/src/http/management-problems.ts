// Renders errors of the management interface as problem details (RFC 9457): what the table of problems says, and the
// rule that refused. What broke is told to the operator under the id that the caller sees.
import { randomUUID } from 'node:crypto';
import { codeOf, OncewayError, problemOf } from '@onceway/sdk/protocol';
import type { Request, Response } from 'express';

/** What Express and its body parser throw, in our codes. */
export function inOurCodes(error: unknown): unknown {
  const { type } = (error ?? {}) as { type?: unknown };
  if (type === 'entity.too.large') return new OncewayError('body_too_large', 'the body is too large');
  if (typeof type === 'string')
    return new OncewayError('request_invalid', type, { rule: 'the body is not JSON' });
  if (error instanceof URIError) return new OncewayError('request_invalid', 'the path can not be decoded');
  return error;
}

export function sendProblem(
  request: Request,
  response: Response,
  error: unknown,
  broke: (error: unknown, id: string) => void,
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const code = codeOf(error);
  const language = request.acceptsLanguages('en', 'vi') === 'vi' ? 'vi' : 'en';
  const id = code === 'broken' ? randomUUID() : undefined;
  if (id !== undefined) broke(error, id);
  const problem = problemOf(code, {
    hop: 'consumer-server',
    language,
    rule: error instanceof OncewayError ? error.rule : undefined,
    instance: id === undefined ? undefined : `urn:uuid:${id}`,
  });
  if (code === 'unauthenticated') response.setHeader('WWW-Authenticate', 'Bearer');
  response.status(problem.status).type('application/problem+json').setHeader('Content-Language', language);
  response.send(JSON.stringify(problem));
}
