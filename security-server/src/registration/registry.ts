// The central registry's public interface as this server uses it. What comes back is bounded and, where it matters,
// proven elsewhere (a certificate by its key, a configuration by its signatures).
import { isErrorCode, OncewayError } from '@onceway/sdk/protocol';
import { request } from 'undici';

const ANSWER_BYTES_MAX = 256 * 1024;
const TIMEOUT_MS = 20_000;

/** One call: a JSON body out, status and text back. Rejects when nobody answers. */
export type RegistryCall = (
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: object,
) => Promise<{ readonly status: number; readonly text: string }>;

/** Over HTTP. @param base e.g. `http://registry:4100` */
export function httpRegistry(base: string): RegistryCall {
  return async (method, path, body) => {
    const answer = await request(base.replace(/\/$/, '') + path, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
    });
    let text = '';
    for await (const chunk of answer.body.setEncoding('utf8')) {
      text += chunk as string;
      if (text.length > ANSWER_BYTES_MAX) throw new RangeError('the answer of the registry is too large');
    }
    return { status: answer.statusCode, text };
  };
}

/** Calls and reads the answer as JSON. Nothing of its shape is checked.
 *  @throws {OncewayError} `registry_unreachable`; what the registry refused, with its code and rule */
export async function ask(
  call: RegistryCall,
  ...[method, path, body]: Parameters<RegistryCall>
): Promise<Readonly<Record<string, unknown>>> {
  let status: number;
  let value: Readonly<Record<string, unknown>>;
  try {
    const answer = await call(method, path, body);
    status = answer.status;
    const parsed: unknown = answer.text === '' ? {} : JSON.parse(answer.text);
    value = typeof parsed === 'object' && parsed !== null ? (parsed as typeof value) : {};
  } catch (cause) {
    throw new OncewayError('registry_unreachable', `${method} ${path}: no answer`, { cause });
  }
  if (status >= 200 && status < 300) return value;
  const { code, title, rule } = value;
  if (typeof code !== 'string' || !isErrorCode(code))
    throw new OncewayError('registry_unreachable', `${method} ${path}: answered ${status}`);
  throw new OncewayError(
    code,
    `the registry refuses ${method} ${path}: ${String(title)}`,
    typeof rule === 'string' ? { rule } : {},
  );
}
