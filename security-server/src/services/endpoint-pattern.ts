// Which paths an endpoint means. A service may read a path otherwise than we do (decode twice, cut at `;`, collapse
// `//`): a pattern matches only when every reading matches, and a path that could climb is refused whatever the right.
import { OncewayError } from '@onceway/sdk/protocol';

/** Zero-width in no segment: at least one segment, of any kind. */
const ANY = Symbol('**');

/** A segment that begins and ends so, with something between: `*` alone has both empty. */
interface Wildcard {
  readonly prefix: string;
  readonly suffix: string;
}

/** A parsed glob: `*` is one segment or a part of one, `**` anything. */
export type PathPattern = readonly (string | Wildcard | typeof ANY)[];

/** What a path may be understood as: one list of decoded segments for each reading. */
export type PathReadings = readonly (readonly string[])[];

const PATTERN_LENGTH_MAX = 1024;
/** RFC 3986 pchar and complete escapes. */
const SEGMENT = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*$/;
/** Nothing here can be read in two ways: most requests, without a second thought. */
const PLAIN = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9_~.-]*)+\/?$/;
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const FORBIDDEN = /[\u0000-\u001f\u007f\\]|%[0-9A-Fa-f]{2}/;
const STRUCTURE = /[./\\%?#;]/g;
/** `..`, and what some systems take for it: `...`, `.. `. */
const DOTS = /^[. ]*\.[. ]*$/;

/** Parses a glob over decoded paths.
 *  @throws {OncewayError} `request_invalid` */
export function parsePattern(text: string): PathPattern {
  const path = text === '**' ? '/**' : text;
  if (!path.startsWith('/') || path.length > PATTERN_LENGTH_MAX || FORBIDDEN.test(path))
    throw invalid(text, 'begins with "/" and holds no escapes');
  return path
    .slice(1)
    .split('/')
    .map((segment, index, all) => {
      if (segment === '**') return ANY;
      if ((segment === '' && index < all.length - 1) || DOTS.test(segment))
        throw invalid(text, 'has no empty and no dot segments');
      const [prefix = '', suffix, ...more] = segment.split('*');
      if (more.length > 0) throw invalid(text, 'has one "*" in a segment at most');
      return suffix === undefined ? prefix : { prefix, suffix };
    });
}

/** Reads the raw path of a request (`''` or beginning with `/`).
 *  @throws {OncewayError} `request_target_invalid` for dot segments in any disguise, bad or doubled escapes, controls,
 *  backslashes */
export function readPath(raw: string): PathReadings {
  if (raw === '' || PLAIN.test(raw)) return [raw.slice(1).split('/')];
  if (!raw.startsWith('/')) throw unsafe('does not begin with "/"');
  const plain = raw.slice(1).split('/').map(decodeSegment);
  const text = plain.join('/');
  if (text.split(/[/;?#]/).some((part) => DOTS.test(part))) throw unsafe('holds a dot segment');
  const lenient = text
    .replace(/[?#][^]*$/, '')
    .split('/')
    .map((segment) => segment.replace(/;[^]*$/, ''))
    .filter((segment, index, all) => segment !== '' || index === all.length - 1);
  return lenient.join('\0') === plain.join('\0') ? [plain] : [plain, lenient];
}

function decodeSegment(segment: string): string {
  if (!SEGMENT.test(segment)) throw unsafe('holds a character that must be escaped');
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch (cause) {
    throw unsafe('is not UTF-8', cause);
  }
  if (FORBIDDEN.test(decoded)) throw unsafe('holds a control, a backslash or an escape within an escape');
  // Full-width dots and slashes become real ones in systems that fold to compatibility forms.
  const structure = (each: string): string => each.match(STRUCTURE)?.join('') ?? '';
  if (structure(decoded.normalize('NFKC')) !== structure(decoded))
    throw unsafe('holds a look-alike of a dot or slash');
  return decoded;
}

export function matches(pattern: PathPattern, readings: PathReadings): boolean {
  return readings.every((segments) => matchesSegments(pattern, segments));
}

/** Linear but for one `**`, and at most segments × pattern with more: nothing a sender chooses makes it slow. */
function matchesSegments(pattern: PathPattern, segments: readonly string[]): boolean {
  let at = 0;
  let any = -1;
  let taken = 0;
  for (let index = 0; index < segments.length;) {
    const part = pattern[at];
    if (part === ANY) {
      any = at;
      taken = index + 1;
    } else if (part === undefined || !matchesSegment(part, segments[index] ?? '')) {
      if (any < 0) return false;
      // Let the last `**` take one segment more.
      at = any;
      index = taken++;
    }
    at++;
    index++;
  }
  return at === pattern.length;
}

function matchesSegment(part: string | Wildcard, segment: string): boolean {
  if (typeof part === 'string') return part === segment;
  const { prefix, suffix } = part;
  return (
    segment.length > prefix.length + suffix.length && segment.startsWith(prefix) && segment.endsWith(suffix)
  );
}

/** Sorts what is more specific first: `/a/b` before `/a/*` before `/a/**`, as OpenAPI prefers concrete paths. */
export function bySpecificity(a: PathPattern, b: PathPattern): number {
  const key = (pattern: PathPattern): string =>
    pattern
      .map((part) => (typeof part === 'string' ? 0 : part === ANY ? 3 : part.prefix === '' ? 2 : 1))
      .join('');
  const [left, right] = [key(a), key(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function unsafe(why: string, cause?: unknown): OncewayError {
  return new OncewayError('request_target_invalid', `the path ${why}`, { cause });
}

function invalid(text: string, why: string): OncewayError {
  return new OncewayError('request_invalid', `"${text}" is no path of an endpoint: one ${why}`);
}
