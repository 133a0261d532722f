// What an administrator writes is compared with the configuration: a slip is told to him, instead of a service that
// nobody reaches or a right that nobody has. Decides nothing about exchanges: parties may be removed at any time.
import type { SecurityServerId, SubsystemId } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import type { Subject } from './service.js';

type Known = Pick<TrustView, 'server' | 'hosts' | 'hasClient' | 'hasGroup'>;

/** @throws {OncewayError} `configuration_missing`; `client_unknown` when the server, or the subsystem on it, is not
 *  registered */
export function checkHosted(view: Known | undefined, server: SecurityServerId, subsystem: SubsystemId): void {
  const known = viewOf(view);
  if (known.server(server) === undefined)
    throw refused(
      'client_unknown',
      `this server, ${server}, is not registered yet: onceway-server enrol; the registry then decides`,
    );
  if (!known.hosts(server, subsystem))
    throw refused(
      'client_unknown',
      `${subsystem} is not registered on ${server}: onceway-server client add ${subsystem}; once it is approved: onceway-server configuration refresh`,
    );
}

/** @throws {OncewayError} `configuration_missing`, `subject_unknown` */
export function checkSubject(view: Known | undefined, subject: Subject): void {
  const known = viewOf(view);
  if ('client' in subject && !known.hasClient(subject.client))
    throw refused('subject_unknown', `there is no client ${subject.client}`);
  if ('group' in subject && !known.hasGroup(subject.group))
    throw refused('subject_unknown', `there is no global group ${subject.group}`);
}

function viewOf(view: Known | undefined): Known {
  if (view === undefined)
    throw refused(
      'configuration_missing',
      'this server has no configuration yet: onceway-server enrol, then onceway-server configuration refresh',
    );
  return view;
}

/** The administrator is told the rule: configurations are not secret. */
function refused(
  code: 'client_unknown' | 'configuration_missing' | 'subject_unknown',
  rule: string,
): OncewayError {
  return new OncewayError(code, rule, { rule });
}
