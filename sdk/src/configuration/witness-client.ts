// Asks a witness to cosign a checkpoint (c2sp.org/tlog-witness, add-checkpoint): for whoever runs a log. Keeps no state:
// the caller remembers what each witness cosigned last.
import { request } from 'undici';
import { OncewayError, type WitnessPolicy } from '../protocol/index.js';
import { parseNote, verifyCosignatures } from '../verify/index.js';

export interface CheckpointSubmission {
  readonly witness: WitnessPolicy['witnesses'][number];
  /** The checkpoint as its log signed it. Cosignatures of others may follow. */
  readonly checkpoint: string;
  /** Size that the caller believes this witness cosigned last; 0 if nothing is known. */
  readonly known: number;
  /** The consistency proof from a smaller size to the checkpoint's (RFC 6962 §2.1.2); empty from 0. */
  readonly consistency: (from: number) => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  readonly signal?: AbortSignal;
}

/** A witness that remembers what this checkpoint does not continue: more entries than it has, or other ones. For a
 *  log whose storage is sound that can not be; one that was restored from a copy must not go on. The word of the
 *  witness alone: nothing proves it. */
export class WitnessDisagrees extends OncewayError {
  /** Size that the witness says it cosigned last. */
  readonly remembered: number;

  constructor(message: string, remembered: number) {
    super('witness_unavailable', message);
    this.remembered = remembered;
  }
}

/** A cosignature line has some 120 characters; a witness may have several keys. */
const ANSWER_BYTES_MAX = 8 * 1024;
/** A witness answers from one small table. The caller's signal may end it sooner. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The line to append to the checkpoint, verified to be this witness's cosignature on it. When the witness remembers
 *  another size than `known`, it is asked once more from there.
 *  @throws {WitnessDisagrees} it remembers a larger log, or another one
 *  @throws {OncewayError} `witness_unavailable`: no answer, a refusal, or an answer that does not verify */
export async function addCheckpoint(submission: CheckpointSubmission): Promise<string> {
  const { witness, known } = submission;
  const size = Number(parseNote(submission.checkpoint).text.split('\n')[1]);
  let from = known;
  let answer = await post(submission, from);
  const remembered = rememberedSize(answer);
  if (remembered !== undefined && remembered !== known && remembered <= size) {
    from = remembered;
    answer = await post(submission, from);
  }
  if (answer.status === 200) return verifiedLine(submission, answer.text);
  const last = rememberedSize(answer);
  // The size that it was told again: two roots of one size. 422: the proof from the size that it remembers fails.
  if (last !== undefined && last > 0 && (last > size || last === from))
    throw new WitnessDisagrees(`witness ${witness.url} remembers size ${last}, not this ${size}`, last);
  if (answer.status === 422 && from > 0)
    throw new WitnessDisagrees(`witness ${witness.url} remembers another log of size ${from}`, from);
  throw unavailable(submission, `answered ${answer.status}`);
}

function rememberedSize({ status, text }: { status: number; text: string }): number | undefined {
  return status === 409 && /^(0|[1-9]\d{0,15})\n$/.test(text) ? Number(text) : undefined;
}

async function post(
  { witness, checkpoint, consistency, signal }: CheckpointSubmission,
  from: number,
): Promise<{ status: number; text: string }> {
  const proof = await consistency(from);
  const lines = proof.map((hash) => `${Buffer.from(hash).toString('base64')}\n`).join('');
  try {
    const answer = await request(`${witness.url.replace(/\/$/, '')}/add-checkpoint`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: `old ${from}\n${lines}\n${checkpoint}`,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    let text = '';
    answer.body.setEncoding('utf8');
    for await (const chunk of answer.body as AsyncIterable<string>) {
      text += chunk;
      if (text.length > ANSWER_BYTES_MAX) break; // also ends the connection
    }
    return { status: answer.statusCode, text };
  } catch (cause) {
    throw unavailable({ witness }, 'can not be reached', cause);
  }
}

/** A witness may answer with lines of keys that nobody here knows: they are dropped (tlog-witness, add-checkpoint). */
function verifiedLine(submission: CheckpointSubmission, lines: string): string {
  const { witness, checkpoint } = submission;
  const policy: WitnessPolicy = { witnesses: [witness], threshold: 1 };
  const signed = checkpoint.slice(0, checkpoint.lastIndexOf('\n\n') + 2);
  for (const line of lines.split(/(?<=\n)/)) {
    try {
      if (verifyCosignatures(signed + line, policy).satisfied) return line;
    } catch (cause) {
      throw unavailable(submission, 'sent a cosignature that does not verify', cause);
    }
  }
  throw unavailable(submission, 'sent no cosignature of its key');
}

function unavailable(
  { witness }: Pick<CheckpointSubmission, 'witness'>,
  why: string,
  cause?: unknown,
): OncewayError {
  return new OncewayError('witness_unavailable', `witness ${witness.url} ${why}`, { cause });
}
