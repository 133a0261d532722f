// Seventh step of the provider's line: the service is called, with exactly the lines that were signed. It is called
// once; what it answers, errors included, passes as it is.
import { OncewayError } from '@onceway/sdk/protocol';
import { SpooledBody, type Body } from '../message-log/message-log.js';
import type { Exchange } from './exchange.js';
import { deliveryMs } from './streamed-body.js';
import { stage, type Accepted, type Delivered } from './stages.js';

/** X-Road: bodies of other methods are signed and kept, not delivered. */
const WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

/** @throws {OncewayError} `service_url_missing`, `service_unreachable`, `service_timeout`, `service_failed`,
 *  `service_answer_invalid` */
export async function deliver(accepted: Accepted, exchange: Exchange): Promise<Delivered> {
  const { request } = accepted;
  const { work } = request;
  if (work.kind === 'metadata') return stage<Delivered>({ accepted, result: work.answer() });
  const { service } = work;
  if (service.baseUrl === '') throw new OncewayError('service_url_missing', `${service.id} has no base URL`);
  const { method, lines } = request.requestHead;
  const result = await exchange.services.call(
    service.baseUrl.replace(/\/$/, '') + request.path + request.query,
    method,
    lines,
    WITH_BODY.has(method) ? request.body : null,
    {
      timeoutMs: service.timeoutMs + timeToDeliver(request.body, exchange),
      bytesMax: exchange.limits.bodyBytesMax,
      pin: service.certificate,
    },
  );
  return stage<Delivered>({ accepted, result });
}

/** A streamed body comes on top of the service's own time, ms. */
function timeToDeliver(body: Body, { limits }: Exchange): number {
  return body instanceof SpooledBody ? deliveryMs(body.bytes, limits.bodyBounds) : 0;
}
