// Validation against the published schemas. Each is compiled when it is first needed: a compilation costs about as
// much time as hundreds of messages, and a program uses few of them.
import { SCHEMAS, type SchemaName } from '@onceway/schemas';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { OncewayError, type ErrorCode } from './errors.js';

let ajv: Ajv2020 | undefined;

function compile(name: SchemaName, pointer: string): ValidateFunction {
  if (ajv === undefined) {
    ajv = new Ajv2020({ strict: true, strictRequired: false, ownProperties: true, validateSchema: false });
    for (const schema of Object.values(SCHEMAS)) ajv.addSchema(schema);
  }
  const validate = ajv.getSchema(
    `https://onceway.dev/schemas/${name}.schema.json${pointer && `#${pointer}`}`,
  );
  if (validate === undefined) throw new TypeError(`no schema ${name}`);
  return validate;
}

/** A function that takes a parsed JSON value, returns it as T, or throws the code with where and what was wrong.
 *  @param pointer a part of the schema */
export function validatorOf<T>(name: SchemaName, code: ErrorCode, pointer = ''): (value: unknown) => T {
  let validate: ValidateFunction | undefined;
  return (value) => {
    validate ??= compile(name, pointer);
    if (validate(value)) return value as T;
    const [first] = validate.errors ?? [];
    throw new OncewayError(code, `${name}${first?.instancePath ?? ''}: ${first?.message ?? 'does not fit'}`);
  };
}
