// `POST /add-checkpoint` of c2sp.org/tlog-witness as a request listener of node:http. Decides nothing: the witness does.
import { STATUS_CODES, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { codeOf, OncewayError } from '@onceway/sdk/protocol';
import { PROOF_LINES_MAX } from '../trust-services/limits.js';
import { readBody, send } from '../trust-services/request-body.js';
import type { Submission, Witness } from './witness.js';

/** 200 with the cosignature; 404 unknown origin; 403 not signed by the log; 409 with the size cosigned last
 *  (`text/x.tlog.size`); 422 the proof does not verify; 400 and 413 unreadable.
 *  @param report told of what broke here; a client only learns 500 */
export function createWitnessListener(witness: Witness, report: (error: unknown) => void): RequestListener {
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const plain = (status: number): void => send(response, status, 'text/plain', `${STATUS_CODES[status]}\n`);
    if (request.url !== '/add-checkpoint') return plain(404);
    if (request.method !== 'POST') {
      response.setHeader('Allow', 'POST');
      return plain(405);
    }
    try {
      const decision = witness.addCheckpoint(parseSubmission(await readBody(request)));
      if (decision.status === 200) send(response, 200, 'text/plain; charset=utf-8', decision.line);
      else if (decision.status === 409) send(response, 409, 'text/x.tlog.size', `${decision.size}\n`);
      else plain(decision.status);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'request_invalid') return plain(400);
      if (code === 'body_too_large') return plain(413);
      report(error);
      plain(500);
    }
  };
  return (request, response) => void handle(request, response).catch(report);
}

const HEADER = new RegExp(`^old (0|[1-9]\\d{0,15})\\n((?:[A-Za-z0-9+/]{43}=\\n){0,${PROOF_LINES_MAX}})\\n`);

/** `old <size>`, lines of proof, a blank line, the note. @throws {OncewayError} `request_invalid` */
function parseSubmission(body: Buffer): Submission {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (cause) {
    throw new OncewayError('request_invalid', 'the body is not UTF-8', { cause });
  }
  const [header, size, lines] = HEADER.exec(text) ?? [];
  const oldSize = Number(size);
  const hashes = lines?.split('\n').slice(0, -1) ?? [];
  const proof = hashes.map((line) => Buffer.from(line, 'base64'));
  if (
    header === undefined ||
    !Number.isSafeInteger(oldSize) ||
    proof.some((hash, index) => hash.toString('base64') !== hashes[index])
  )
    throw new OncewayError(
      'request_invalid',
      'the body is not an old size, a proof, a blank line and a note',
    );
  return { oldSize, proof, note: text.slice(header.length) };
}
