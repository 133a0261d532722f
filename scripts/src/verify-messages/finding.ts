// What could not be proven, and by which rule. One finding ends the judgement of its exchange, never that of others.

/** What each rule says stands in the output of `--help`. */
export const RULES = {
  interface: 'a management interface did not answer as it must',
  copies:
    'each message lies in exactly two logs: of its sender and of its receiver, octet for octet the same',
  form: 'strict JSON and base64url, no unknown header member or claim, the message id is that of the octets',
  closing:
    'a body that follows has a closing, of its opening and under the same algorithm and certificate; no other body has, nor who refused the opening',
  signature: 'the signature is by the key of the certificate that the message names, with low s for ES256',
  certificate: 'the certificate chains to a listed authority, is for signing, and was valid at iat',
  certificate_status: 'the OCSP answer is on this certificate, good, and fresh when the entry was made',
  configuration:
    'the head is signed by keys that the roots of the anchor delegated to, and lies in the witnessed log',
  records: 'the records hash to the root of the head',
  listed: 'the configuration lists the certificate and its algorithm for this member on this server',
  commitment: 'head and body are those that were committed to',
  binding: 'the answer is the answer to this request, by its claims and by its X-Road lines',
  request_hash: 'x-road-request-hash is that of the request',
  inclusion: 'the entry lies in the lane, and the checkpoint of the lane in the log of the server',
  checkpoint: 'checkpoints are signed by the keys that the configuration lists',
  cosignature: 'enough witnesses of the anchor cosigned the checkpoint',
  promise: 'what messages say about logs agrees with the logs',
  time_stamp: 'the RFC 3161 token is over the checkpoint, by a listed authority',
  time: 'the entry was made after iat and stamped within the time that the policy allows',
} as const;

export type Rule = keyof typeof RULES;

export class Finding extends Error {
  readonly rule: Rule;
  /** The security server whose copy or answer it is about. */
  server: string | undefined;
  mid: string | undefined;

  constructor(rule: Rule, why: string, options?: ErrorOptions) {
    super(why, options);
    this.name = 'Finding';
    this.rule = rule;
  }
}

/** @throws {Finding} unless it holds */
export function prove(holds: boolean, rule: Rule, why: string): asserts holds {
  if (!holds) throw new Finding(rule, why);
}

/** Runs a judgement and says where its finding was made; what is no finding is a malformed answer. */
export function about<T>(server: string | undefined, mid: string, run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    throw located(thrown, server, mid);
  }
}

export function located(thrown: unknown, server: string | undefined, mid: string): Finding {
  const finding =
    thrown instanceof Finding
      ? thrown
      : new Finding('form', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
  finding.server ??= server;
  finding.mid ??= mid;
  return finding;
}
