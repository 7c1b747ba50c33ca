import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import { type Input, objects, optionalFlag, optionalInteger, optionalText, texts } from '../input.ts';
import type { Entry, Journal } from '../journal.ts';
import { publicParameters } from '../public-images.ts';
import { sha256Hex } from '../sigv4.ts';
import type { SsmOperations } from './operations.ts';
import { readTags, type TaggableKind, type Tags } from './tags.ts';

interface Parameter {
  readonly name: string;
  readonly type: string;
  readonly value: string;
  readonly version: number;
  /** Wall clock, milliseconds. */
  readonly modifiedMs: number;
  readonly tags: Tags;
}

export interface Parameters {
  readonly operations: SsmOperations;
  readonly taggable: TaggableKind;
  replay(entry: Entry): void;
  snapshot(): Iterable<Entry>;
}

const nameForm = /^\/?[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/;
const types = new Set(['String', 'StringList', 'SecureString']);
/** Of the standard tier: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html */
const maxValueBytes = 4096;
/** GetParametersByPath and GetParameters answer ten at most. */
const maxAtOnce = 10;

const invalid = (message: string): Refusal => new Refusal('ValidationException', message);

/** Public parameters are the same for everybody, and read-only. */
const publicParameter = (name: string): Parameter | undefined => {
  const value = publicParameters.get(name);
  return value === undefined
    ? undefined
    : { name, type: 'String', value, version: 1, modifiedMs: Date.UTC(2026, 0, 1), tags: {} };
};

/** Parameter Store. */
export const createParameters = (options: {
  readonly clock: Clock;
  readonly journal: () => Journal;
  readonly region: string;
  readonly account: string;
}): Parameters => {
  const parameters = new Map<string, Parameter>();

  const put = (parameter: Parameter): void => {
    options.journal().append({ t: 'ssm.put', parameter });
    parameters.set(parameter.name, parameter);
  };

  const nameOf = (input: Input): string => {
    const name = optionalText(input, 'Name');
    if (name === undefined || name.length > 1011 || !nameForm.test(name))
      throw invalid(`Parameter name: must match ${nameForm.source}; got '${name ?? ''}'.`);
    return name;
  };

  const find = (name: string): Parameter => {
    const parameter = parameters.get(name) ?? publicParameter(name);
    if (!parameter) throw new Refusal('ParameterNotFound', `Parameter ${name} not found.`);
    return parameter;
  };

  const described = ({ name, type, value, version, modifiedMs }: Parameter, decrypt: boolean): object => ({
    Name: name,
    Type: type,
    // What KMS would make of it cannot be read either.
    Value: type === 'SecureString' && !decrypt ? Buffer.from(sha256Hex(value)).toString('base64') : value,
    Version: version,
    LastModifiedDate: modifiedMs / 1000,
    ARN: publicParameters.has(name)
      ? `arn:aws:ssm:${options.region}::parameter${name}`
      : `arn:aws:ssm:${options.region}:${options.account}:parameter/${name.replace(/^\//, '')}`,
    DataType: 'text',
  });

  const create = (input: Input): object => {
    const name = nameOf(input);
    const value = optionalText(input, 'Value') ?? '';
    const overwrite = optionalFlag(input, 'Overwrite');
    const present = parameters.get(name);
    const type = optionalText(input, 'Type') ?? present?.type ?? '';
    if (/^\/?aws(\/|$)/i.test(name))
      throw new Refusal('AccessDeniedException', `No access to reserved parameter name: ${name}.`);
    if ((optionalText(input, 'Tier') ?? 'Standard') !== 'Standard')
      throw new Refusal('UnsupportedOperation', 'The local cloud has parameters of the standard tier.', 501);
    if (value === '') throw invalid('The parameter value must not be empty.');
    if (Buffer.byteLength(value) > maxValueBytes)
      throw invalid(
        `Standard tier parameters support a maximum parameter value of ${maxValueBytes} characters.`,
      );
    if (!types.has(type)) throw invalid('A parameter type is required when you create a parameter.');
    if (overwrite && objects(input, 'Tags').length > 0)
      throw invalid(
        "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag.",
      );
    if (present && !overwrite)
      throw new Refusal(
        'ParameterAlreadyExists',
        'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
      );
    const version = (present?.version ?? 0) + 1;
    const tags = present?.tags ?? readTags(input);
    put({ name, type, value, version, modifiedMs: options.clock.wallMs(), tags });
    return { Version: version, Tier: 'Standard' };
  };

  const byPath = (input: Input): object => {
    const path = optionalText(input, 'Path') ?? '';
    if (!path.startsWith('/')) throw invalid('The parameter path must begin with a slash (/).');
    if (objects(input, 'ParameterFilters').length > 0)
      throw new Refusal('UnsupportedOperation', 'The local cloud does not filter parameters.', 501);
    const max = optionalInteger(input, 'MaxResults') ?? maxAtOnce;
    if (max < 1 || max > maxAtOnce) throw invalid(`MaxResults must be from 1 to ${maxAtOnce}; got ${max}.`);
    const folder = path.endsWith('/') ? path : `${path}/`;
    const recursive = optionalFlag(input, 'Recursive');
    const after = optionalText(input, 'NextToken') ?? '';
    const names = [...parameters.keys(), ...publicParameters.keys()]
      .filter((name) => name.startsWith(folder) && (recursive || !name.slice(folder.length).includes('/')))
      .filter((name) => name > after)
      .sort();
    const page = names.slice(0, max);
    const decrypt = optionalFlag(input, 'WithDecryption');
    return {
      Parameters: page.map((name) => described(find(name), decrypt)),
      ...(names.length > max && { NextToken: page.at(-1) }),
    };
  };

  const severalByName = (input: Input): object => {
    const names = [...new Set(texts(input, 'Names'))];
    if (names.length < 1 || names.length > maxAtOnce)
      throw invalid(`Names must hold from 1 to ${maxAtOnce} names.`);
    const known = names.filter((name) => parameters.has(name) || publicParameters.has(name));
    const decrypt = optionalFlag(input, 'WithDecryption');
    return {
      Parameters: known.map((name) => described(find(name), decrypt)),
      InvalidParameters: names.filter((name) => !known.includes(name)),
    };
  };

  return {
    operations: {
      PutParameter: create,
      GetParameter: (input) => ({
        Parameter: described(find(nameOf(input)), optionalFlag(input, 'WithDecryption')),
      }),
      GetParameters: severalByName,
      GetParametersByPath: byPath,
      DeleteParameter: (input) => {
        const { name } = find(nameOf(input));
        options.journal().append({ t: 'ssm.delete', name });
        parameters.delete(name);
        return {};
      },
    },
    taggable: {
      type: 'Parameter',
      tagsOf: (name) => parameters.get(name)?.tags,
      setTags: (name, tags) => put({ ...find(name), tags }),
    },
    replay: (entry) => {
      if (entry.t === 'ssm.put') {
        const parameter = entry['parameter'] as Parameter;
        parameters.set(parameter.name, parameter);
      } else if (entry.t === 'ssm.delete') parameters.delete(entry['name'] as string);
    },
    snapshot: function* () {
      for (const parameter of parameters.values()) yield { t: 'ssm.put', parameter };
    },
  };
};
