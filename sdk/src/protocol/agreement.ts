// Where an envelope repeats what its head says, the two must agree (docs/protocol.md#envelope): the receiver acts on
// the head, the log keeps the envelope. Senders take the claims from here, receivers compare.
import type { FormUse, RequestClaims } from '@onceway/schemas';
import { OncewayError, type ErrorCode } from './errors.js';
import { targetService, valuesOf, type HeadLine, type RequestHead } from './head.js';
import { FORM_BYTES_MAX } from './limits.js';
import { decodeBase64url } from './octets.js';
import { validatorOf } from './schema.js';
import { parseStrictOctets } from './strict-json.js';

const PURPOSE = /^[!-~]{1,200}$/;
const formOf = validatorOf<FormUse>('exchange-request', 'form_invalid', '/$defs/FormUse');

function single(lines: readonly HeadLine[], name: string, code: ErrorCode): string | undefined {
  const values = valuesOf(lines, name);
  if (values.length > 1) throw new OncewayError(code, `more than one ${name} line`);
  return values[0];
}

/** The claim `purpose` of a head: its `Data-Purpose` line. @throws {OncewayError} `purpose_invalid` */
export function purposeOf(lines: readonly HeadLine[]): string | undefined {
  const purpose = single(lines, 'data-purpose', 'purpose_invalid');
  if (purpose !== undefined && !PURPOSE.test(purpose))
    throw new OncewayError('purpose_invalid', 'a purpose is up to 200 characters of visible ASCII');
  return purpose;
}

/** The claim `form` of a head: its `Data-Form` line, base64url of JSON in the one form.
 *  @throws {OncewayError} `form_invalid` */
export function formUseOf(lines: readonly HeadLine[]): FormUse | undefined {
  const text = single(lines, 'data-form', 'form_invalid');
  if (text === undefined) return undefined;
  if (text.length > Math.ceil((FORM_BYTES_MAX * 4) / 3))
    throw new OncewayError('form_invalid', `more than ${FORM_BYTES_MAX} octets`);
  try {
    return formOf(parseStrictOctets(decodeBase64url(text)));
  } catch (cause) {
    throw new OncewayError('form_invalid', 'Data-Form is not what a form may say', { cause });
  }
}

/** A head whose octets fit the envelope's commitment must also say the same.
 *  @returns what of the target is for the service
 *  @throws {OncewayError} `request_target_invalid`, `target_mismatch`, `purpose_invalid`, `form_invalid` */
export function checkHeadAgrees(
  head: RequestHead,
  claims: Pick<RequestClaims, 'aud' | 'purpose' | 'form'>,
): { readonly path: string; readonly query: string } {
  const { service, path, query } = targetService(head.target);
  if (service !== claims.aud) throw new OncewayError('target_mismatch', 'the head calls another service');
  if (purposeOf(head.lines) !== claims.purpose)
    throw new OncewayError('purpose_invalid', 'the head names another purpose');
  if (JSON.stringify(inOrder(formUseOf(head.lines))) !== JSON.stringify(inOrder(claims.form)))
    throw new OncewayError('form_invalid', 'the head names other facts');
  return { path, query };
}

/** Facts by name: the order in which two sides write them says nothing. */
function inOrder(use: FormUse | undefined): unknown {
  return use && [use.form, use.version, Object.entries(use.facts).sort(([a], [b]) => (a < b ? -1 : 1))];
}
