// Asks the approved responder whether a certificate is revoked (OCSP), before it is put on a list. Keeps no cache:
// requests are rare.
import { randomBytes } from 'node:crypto';
import { OCSP_ANSWER_BYTES_MAX, OncewayError } from '@onceway/sdk/protocol';
import { ocspRequest, verifyOcspAnswer } from '@onceway/sdk/verify';
import { request } from 'undici';
import { OCSP_TIMEOUT_MS } from '../limits.js';
import type { StatusCheck } from './certificate.js';

/** A check against the responders of the certificate's own authority, asked in turn. An authority that was approved
 *  without a responder is taken at its word. */
export function ocspStatusCheck(clock: () => number, skewMs: () => number): StatusCheck {
  return async ({ certificate: { raw: certificate }, issuer, authority }) => {
    if (authority.ocsp.length === 0) return;
    const nonce = randomBytes(16);
    const body = await ocspRequest(certificate, issuer, nonce);
    let cause: unknown;
    for (const { url } of authority.ocsp) {
      let status: Awaited<ReturnType<typeof verifyOcspAnswer>>['status'];
      try {
        ({ status } = await verifyOcspAnswer(await ask(url, body), {
          certificate,
          issuer,
          authorities: authority.certificates.map((der) => Buffer.from(der, 'base64')),
          nowMs: clock(),
          skewMs: skewMs(),
          nonce,
        }));
      } catch (error) {
        cause = error;
        continue;
      }
      if (status === 'good') return;
      throw new OncewayError('certificate_revoked', `the responder at ${url} says ${status}`);
    }
    throw new OncewayError('certificate_status_unknown', 'no responder gave a good answer', { cause });
  };
}

async function ask(url: string, body: Buffer): Promise<Buffer> {
  const answer = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/ocsp-request' },
    body,
    signal: AbortSignal.timeout(OCSP_TIMEOUT_MS),
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > OCSP_ANSWER_BYTES_MAX)
      throw new OncewayError('body_too_large', 'the OCSP answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
