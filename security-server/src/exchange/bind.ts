// Proves that a reply belongs to this request: the signed ids, and of an answer also X-Road's own lines in its head.
import { lastValueOf, OncewayError, subsystemOf, memberOf, valuesOf } from '@onceway/sdk/protocol';
import { hashOfRequest } from './streamed-body.js';
import { stage, type BoundReply, type OpenedReply } from './stages.js';

/** @throws {OncewayError} `answer_inconsistent` */
export function bind(reply: OpenedReply): BoundReply {
  const { request } = reply;
  const { claims } = reply.message;
  // What was refused before it was a message is known by its opening.
  if (reply.kind === 'answer' || claims.re !== request.closed?.opening) same('re', claims.re, request.mid);
  same('server', claims.server, request.claims.to);
  same('to', claims.to, request.claims.server);
  if (reply.kind === 'refusal') {
    // The server refuses, not the service: its owner signs.
    same('iss', claims.iss, memberOf(claims.server));
    // Who never recorded the request knows only the server that asks.
    const isUnknown = reply.message.claims.code === 'not_recorded';
    same('aud', claims.aud, isUnknown ? memberOf(claims.to) : request.claims.iss);
    return stage<BoundReply>(reply);
  }
  same('iss', claims.iss, subsystemOf(request.claims.aud));
  same('aud', claims.aud, request.claims.iss);
  const asked = request.requestHead.lines;
  const { lines } = reply.answerHead;
  same('x-road-id', only(lines, 'x-road-id'), lastValueOf(asked, 'x-road-id'));
  same('x-road-request-id', only(lines, 'x-road-request-id'), only(asked, 'x-road-request-id'));
  same('x-road-client', only(lines, 'x-road-client'), request.claims.iss);
  same('x-road-service', only(lines, 'x-road-service'), request.claims.aud);
  same('x-road-request-hash', only(lines, 'x-road-request-hash'), hashOfRequest(request.head, request.body));
  return stage<BoundReply>(reply);
}

function only(lines: Parameters<typeof valuesOf>[0], name: string): string | undefined {
  const values = valuesOf(lines, name);
  return values.length === 1 ? values[0] : undefined;
}

function same(what: string, given: string | undefined, expected: string | undefined): void {
  if (given === undefined || given !== expected)
    throw new OncewayError('answer_inconsistent', `${what} is not that of the request`);
}
