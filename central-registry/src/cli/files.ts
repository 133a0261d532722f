// Files that the command line names.
import { readFileSync } from 'node:fs';
import { WrongUsage } from './exit-code.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'its owner does not let this user',
  EISDIR: 'it is a folder',
};

/** @param mend what to do where it can not be read
 *  @throws {WrongUsage} `not_found` */
export function readOctets(file: string, mend?: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    const reason = `${file} can not be read: ${REASONS[code] ?? code}`;
    throw new WrongUsage('not_found', mend === undefined ? reason : `${reason}; ${mend}`, { cause });
  }
}

export function readText(file: string, mend?: string): string {
  return readOctets(file, mend).toString('utf8');
}

export function readJson(file: string): object {
  const text = readText(file);
  try {
    return JSON.parse(text) as object;
  } catch (cause) {
    throw new WrongUsage('request_invalid', `${file} is not JSON`, { cause });
  }
}
