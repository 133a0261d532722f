// Serves the authority's own certificates, where `caIssuers` of every certificate points (RFC 5280 §4.2.2.1).
import type { RequestListener } from 'node:http';
import { send } from './request-body.js';

/** `GET /issuing.cer` and `GET /root.cer`, DER. */
export function createCertificateListener(authority: {
  root: Uint8Array;
  issuing: Uint8Array;
}): RequestListener {
  const certificates = new Map([
    ['/issuing.cer', authority.issuing],
    ['/root.cer', authority.root],
  ]);
  return (request, response) => {
    const certificate = certificates.get(request.url ?? '');
    if (certificate === undefined) return send(response, 404, 'text/plain', 'not found\n');
    if (request.method !== 'GET') {
      response.setHeader('Allow', 'GET');
      return send(response, 405, 'text/plain', 'method not allowed\n');
    }
    send(response, 200, 'application/pkix-cert', certificate);
  };
}
