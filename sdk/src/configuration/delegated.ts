// Keys that a later delegation replaced sign nothing newer, though the delegations before it are genuine still.
import { OncewayError, parseJws, type ConfigurationBundle } from '../protocol/index.js';

type Delegated = Pick<ConfigurationBundle, 'head' | 'delegations'>;

/** Of a verified one. */
const seqOf = (signed: readonly string[] | undefined): number =>
  Number(parseJws(signed?.[0] ?? '').payload['seq']);

/** @param shown verified, as `held` is
 *  @throws {OncewayError} `configuration_invalid` for a newer one whose delegations end before those of the one held */
export function checkDelegated(shown: Delegated, held: Delegated | undefined): void {
  if (held === undefined || seqOf(shown.head) <= seqOf(held.head)) return;
  if (seqOf(shown.delegations.at(-1)) < seqOf(held.delegations.at(-1)))
    throw new OncewayError(
      'configuration_invalid',
      'the keys of a newer configuration were replaced before it',
    );
}
